// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.bytedeco.javacpp.BytePointer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.function.Executable;

/** What closing, closed and busy handles do. */
@Timeout(60)
class HandleTest {
  private static final GenerationOptions MANY = GenerationOptions.builder().maxNewTokens(40).ignoreEos(true).build();
  private static final Prompt HELLO = Prompt.of("Hello");

  private VilaModel model;

  @BeforeEach
  void load() {
    model = TestData.load("vila10-clip-linear");
  }

  @AfterEach
  void close() {
    model.close();
    assertEquals(0, Vila.liveObjectCount(), () -> Vila.liveObjects().toString());
  }

  private static void assertStateError(String message, Executable call) {
    assertEquals(message, assertThrows(IllegalStateException.class, call).getMessage());
  }

  @Test
  void closedModelRefusesEverything() {
    Tokenizer tokenizer = model.tokenizer();
    model.close();
    List<Executable> calls =
        List.of(
            () -> model.info(),
            () -> model.newSession(),
            () -> model.tokenize(HELLO),
            () -> model.encodeImage(TestData.image("tiny.png")),
            () -> model.encodePixels(new float[3]),
            () -> model.imageCacheStats(),
            () -> model.prefixCacheStats(),
            () -> model.generate(HELLO),
            () -> tokenizer.encode("a", true));
    for (Executable call : calls) {
      assertStateError("VilaModel is closed", call);
    }
    model.close();
  }

  @Test
  void closedSessionRefusesEverythingButCancel() {
    VilaSession session = model.newSession();
    session.close();
    session.close();
    List<Executable> calls =
        List.of(
            () -> session.generate(HELLO, MANY),
            () -> session.stream(HELLO, MANY),
            () -> session.prefill(HELLO),
            () -> session.decode(1),
            () -> session.logits(),
            () -> session.position(),
            () -> session.reset());
    for (Executable call : calls) {
      assertStateError("VilaSession is closed", call);
    }
    session.cancel();
  }

  @Test
  void closedTokenizerRefusesEverything() {
    Tokenizer tokenizer = Tokenizer.load(TestData.model("vila10-clip-linear"));
    tokenizer.close();
    tokenizer.close();
    assertStateError("Tokenizer is closed", () -> tokenizer.vocabSize());
  }

  @Test
  void tokenizerOfAModelOutlivesItsOwnClose() {
    Tokenizer tokenizer = model.tokenizer();
    tokenizer.close();
    assertTrue(tokenizer.vocabSize() > 0);
  }

  @Test
  void modelWithOpenSessionsStaysOpen() {
    VilaSession first = model.newSession();
    VilaSession second = model.newSession();
    assertStateError("VilaModel has 2 open sessions; close them first", model::close);
    first.close();
    assertStateError("VilaModel has 1 open session; close them first", model::close);
    assertTrue(model.info().vocabSize() > 0);
    second.close();
  }

  @Test
  void sessionInUseCannotBeClosedOrUsedTwice() throws Exception {
    try (VilaSession session = model.newSession()) {
      CountDownLatch inside = new CountDownLatch(1);
      CountDownLatch goOn = new CountDownLatch(1);
      CompletableFuture<Completion> answer =
          CompletableFuture.supplyAsync(
              () ->
                  session.generate(
                      HELLO,
                      MANY,
                      token -> {
                        inside.countDown();
                        return await(goOn);
                      }));
      assertTrue(inside.await(30, TimeUnit.SECONDS));
      assertStateError("VilaSession is in use by 1 call; it cannot be closed now", session::close);
      SessionBusyException busy = assertThrows(SessionBusyException.class, () -> session.generate(HELLO, MANY));
      assertEquals("VilaSession is inside another call; a session serves one call at a time", busy.getMessage());
      assertEquals(ErrorCode.BUSY, busy.code());
      assertThrows(SessionBusyException.class, session::position);
      assertThrows(SessionBusyException.class, () -> session.stream(HELLO, MANY));
      goOn.countDown();
      assertEquals(40, answer.get(30, TimeUnit.SECONDS).ids().length);
    }
  }

  @Test
  void useCountKeepsANativeObjectAlive() {
    int[] ended = {0};
    Handle<BytePointer> handle = new Handle<>(this, new BytePointer(1), () -> ended[0]++);
    BytePointer first = handle.acquire();
    assertStateError("HandleTest is in use by 1 call; it cannot be closed now", handle::close);
    handle.acquire();
    assertStateError("HandleTest is in use by 2 calls; it cannot be closed now", handle::close);
    handle.release();
    handle.release();
    assertFalse(first.isNull());
    assertTrue(handle.close());
    assertTrue(first.isNull());
    assertFalse(handle.close());
    assertEquals(1, ended[0]);
    assertStateError("HandleTest is closed", handle::acquire);
  }

  /** Threads that generate, cancel and close at random: only the documented refusals, and no crash. */
  @Test
  void closingRacesWithCalls() throws Exception {
    ExecutorService pool = Executors.newFixedThreadPool(4);
    try {
      for (int round = 0; round < 30; round++) {
        VilaSession session = model.newSession();
        List<Future<?>> calls = new ArrayList<>();
        for (int thread = 0; thread < 4; thread++) {
          int kind = thread;
          calls.add(pool.submit(() -> race(session, kind)));
        }
        for (Future<?> call : calls) {
          call.get(30, TimeUnit.SECONDS);
        }
        session.close();
      }
    } finally {
      pool.shutdownNow();
    }
  }

  private static void race(VilaSession session, int kind) {
    for (int i = 0; i < 50; i++) {
      try {
        switch (kind) {
          case 0 -> session.generate(HELLO, MANY.toBuilder().maxNewTokens(3).build());
          case 1 -> session.cancel();
          case 2 -> session.prefill(HELLO);
          default -> {
            if (i > 10) {
              session.close();
            }
          }
        }
      } catch (SessionBusyException e) {
        assertEquals("VilaSession is inside another call; a session serves one call at a time", e.getMessage());
      } catch (CancelledException e) {
        assertEquals(ErrorCode.CANCELLED, e.code());
      } catch (IllegalStateException e) {
        assertTrue(e.getMessage().startsWith("VilaSession is "), e.getMessage());
      }
    }
  }

  @Test
  void listenerMayCancelButNotCloseItsSession() {
    try (VilaSession session = model.newSession()) {
      AtomicReference<Throwable> closing = new AtomicReference<>();
      Completion completion =
          session.generate(
              HELLO,
              MANY,
              token -> {
                closing.set(assertThrows(IllegalStateException.class, session::close));
                session.cancel();
                return true;
              });
      assertEquals("VilaSession is in use by 1 call; it cannot be closed now", closing.get().getMessage());
      assertEquals(FinishReason.CANCELLED, completion.finishReason());
    }
  }

  private static boolean await(CountDownLatch latch) {
    try {
      return latch.await(30, TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }
}
