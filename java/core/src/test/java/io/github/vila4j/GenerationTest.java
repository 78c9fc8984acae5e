// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Generating, streaming, cancelling, and what listeners throw. */
@Timeout(120)
class GenerationTest {
  private static final GenerationOptions MANY = GenerationOptions.builder().maxNewTokens(60).ignoreEos(true).build();
  private static VilaModel model;

  @BeforeAll
  static void load() {
    model = TestData.load("vila15-llama3-siglip");
  }

  @AfterAll
  static void close() {
    model.close();
    assertEquals(0, Vila.liveObjectCount(), () -> Vila.liveObjects().toString());
  }

  private static Prompt prompt() {
    return Prompt.of("<image>\nWhat is in the image?", TestData.image("photo.png"));
  }

  @Test
  void tokensPutTogetherAreTheCompletion() {
    List<Token> tokens = new ArrayList<>();
    try (VilaSession session = model.newSession()) {
      Completion completion =
          session.generate(
              prompt(),
              MANY,
              token -> {
                tokens.add(token);
                return true;
              });
      assertEquals(60, completion.ids().length);
      assertEquals(60, completion.usage().completionTokens());
      assertEquals(FinishReason.LENGTH, completion.finishReason());
      assertEquals(completion.text(), String.join("", tokens.stream().map(Token::text).toList()));
      assertArrayEquals(completion.ids(), tokens.stream().mapToInt(Token::id).filter(id -> id >= 0).toArray());
    }
  }

  @Test
  void whatRequestsBeginWithIsComputedOnce() {
    Prompt other = Prompt.of("<image>\nWhat is in the image, and why?", TestData.image("photo.png"));
    GenerationOptions fresh = MANY.toBuilder().reusePrefix(false).build();
    Completion expected = model.generate(other, fresh);
    assertEquals(0, expected.usage().cachedTokens());
    model.generate(prompt(), MANY);
    PrefixCacheStats before = model.prefixCacheStats();
    Completion completion = model.generate(other, MANY);
    PrefixCacheStats after = model.prefixCacheStats();
    assertArrayEquals(expected.ids(), completion.ids());
    assertTrue(completion.usage().cachedTokens() >= completion.usage().imageTokens());
    assertEquals(before.hits() + 1, after.hits());
    assertEquals(before.positions() + completion.usage().cachedTokens(), after.positions());
    assertTrue(after.entries() > 0 && after.bytes() > 0);
  }

  @Test
  void streamGivesTheSameTokens() {
    Completion expected = model.generate(prompt(), MANY);
    try (VilaSession session = model.newSession();
        TokenStream stream = session.stream(prompt(), MANY)) {
      StringBuilder text = new StringBuilder();
      for (Token token : stream) {
        text.append(token.text());
      }
      assertEquals(expected.text(), text.toString());
      assertArrayEquals(expected.ids(), stream.completion().ids());
      assertFalse(stream.hasNext());
      assertThrows(NoSuchElementException.class, stream::next);
    }
  }

  @Test
  void streamCancelledByAnotherThreadEndsEarlyAndFreesTheSession() throws Exception {
    try (VilaSession session = model.newSession()) {
      GenerationOptions long1 = MANY.toBuilder().maxNewTokens(400).build();
      try (TokenStream stream = session.stream(Prompt.of("Hello"), long1)) {
        stream.next();
        Thread other = new Thread(stream::cancel);
        other.start();
        other.join();
        Completion completion = stream.completion();
        assertEquals(FinishReason.CANCELLED, completion.finishReason());
        assertTrue(completion.ids().length < 400, () -> completion.ids().length + " tokens");
      }
      assertEquals(60, session.generate(prompt(), MANY).ids().length);
    }
  }

  @Test
  void streamCancelledBeforeItBeginsIsEmpty() {
    AtomicInteger calls = new AtomicInteger();
    AtomicInteger ends = new AtomicInteger();
    TokenStream stream =
        new TokenStream(
            (listener, wanted) -> {
              calls.incrementAndGet();
              return null;
            },
            () -> {},
            ends::incrementAndGet);
    stream.cancel();
    stream.begin();
    assertFalse(stream.hasNext());
    Completion completion = stream.completion();
    assertEquals(FinishReason.CANCELLED, completion.finishReason());
    assertEquals("", completion.text());
    assertEquals(0, completion.ids().length);
    assertEquals(new Usage(0, 0, 0, 0), completion.usage());
    stream.close();
    assertEquals(0, calls.get());
    assertEquals(1, ends.get());
  }

  @Test
  void streamCancelledOnItsWayIntoTheCallIsNotWanted() {
    CompletableFuture<Boolean> before = new CompletableFuture<Boolean>().orTimeout(60, TimeUnit.SECONDS);
    CompletableFuture<Boolean> after = new CompletableFuture<Boolean>().orTimeout(60, TimeUnit.SECONDS);
    CompletableFuture<Void> cancelled = new CompletableFuture<Void>().orTimeout(60, TimeUnit.SECONDS);
    AtomicInteger cancels = new AtomicInteger();
    TokenStream stream =
        TokenStream.start(
            (listener, wanted) -> {
              before.complete(wanted.getAsBoolean());
              cancelled.join();
              after.complete(wanted.getAsBoolean());
              return Completion.cancelled();
            },
            cancels::incrementAndGet,
            () -> {});
    assertTrue(before.join());
    stream.cancel();
    cancelled.complete(null);
    assertFalse(after.join());
    assertEquals(FinishReason.CANCELLED, stream.completion().finishReason());
    stream.close();
    assertEquals(1, cancels.get());
  }

  @Test
  void closingAStreamStopsIt() {
    try (VilaSession session = model.newSession()) {
      for (int i = 0; i < 20; i++) {
        TokenStream stream = session.stream(Prompt.of("Hello"), MANY.toBuilder().maxNewTokens(300).build());
        if (i % 2 == 0) {
          stream.next();
        }
        stream.close();
        stream.close();
      }
      assertEquals(60, session.generate(prompt(), MANY).ids().length);
    }
  }

  @Test
  void sessionWithARunningStreamCannotBeClosed() {
    try (VilaSession session = model.newSession();
        TokenStream stream = session.stream(Prompt.of("Hello"), MANY.toBuilder().maxNewTokens(2000).build())) {
      stream.next();
      IllegalStateException inUse = assertThrows(IllegalStateException.class, session::close);
      assertEquals("VilaSession is in use by 1 call; it cannot be closed now", inUse.getMessage());
      assertFalse(stream.isDone());
    }
  }

  @Test
  void failureOfAStreamReachesItsReader() {
    try (VilaSession session = model.newSession();
        TokenStream stream = session.stream(Prompt.of("Hello"), GenerationOptions.builder().maxNewTokens(0).build())) {
      assertThrows(InvalidArgumentException.class, stream::hasNext);
      assertThrows(InvalidArgumentException.class, stream::completion);
    }
  }

  @Test
  void listenerThatReturnsFalseEndsTheAnswer() {
    try (VilaSession session = model.newSession()) {
      int[] count = {0};
      Completion completion = session.generate(prompt(), MANY, token -> ++count[0] < 5);
      assertEquals(FinishReason.CANCELLED, completion.finishReason());
      assertEquals(5, completion.ids().length);
    }
  }

  @Test
  void whatAListenerThrowsArrivesUnchanged() {
    try (VilaSession session = model.newSession()) {
      RuntimeException own = new IllegalArgumentException("mine");
      assertSame(
          own,
          assertThrows(
              IllegalArgumentException.class,
              () ->
                  session.generate(
                      prompt(),
                      MANY,
                      token -> {
                        throw own;
                      })));
      Error error = new StackOverflowError();
      assertSame(
          error,
          assertThrows(
              StackOverflowError.class,
              () ->
                  session.generate(
                      prompt(),
                      MANY,
                      token -> {
                        throw error;
                      })));
      IOException checked = new IOException("checked");
      assertSame(checked, assertThrows(IOException.class, () -> session.generate(prompt(), MANY, token -> sneak(checked))));
      assertEquals(60, session.generate(prompt(), MANY).ids().length);
    }
  }

  @SuppressWarnings("unchecked")
  private static <E extends Exception> boolean sneak(Exception e) throws E {
    throw (E) e;
  }

  @Test
  void cancelFromAnotherThread() throws Exception {
    try (VilaSession session = model.newSession()) {
      CountDownLatch first = new CountDownLatch(1);
      Thread other =
          new Thread(
              () -> {
                try {
                  first.await();
                } catch (InterruptedException e) {
                  return;
                }
                session.cancel();
              });
      other.start();
      Completion completion =
          session.generate(
              Prompt.of("Hello"),
              MANY.toBuilder().maxNewTokens(400).build(),
              token -> {
                first.countDown();
                try {
                  other.join();
                } catch (InterruptedException e) {
                  throw new IllegalStateException(e);
                }
                return true;
              });
      assertEquals(FinishReason.CANCELLED, completion.finishReason());
      assertTrue(completion.ids().length <= 2, () -> completion.ids().length + " tokens");
    }
  }

  @Test
  void sessionsInSeveralThreadsGiveEqualAnswers() throws Exception {
    List<Prompt> prompts =
        List.of(
            prompt(),
            Prompt.of("Hello"),
            Prompt.of("<image>\n<image>\nCompare.", TestData.image("wide.png"), TestData.image("square.jpg")));
    List<int[]> expected = prompts.stream().map(prompt -> model.generate(prompt, MANY).ids()).toList();
    ExecutorService pool = Executors.newFixedThreadPool(4);
    try {
      List<Future<?>> work = new ArrayList<>();
      for (int thread = 0; thread < 4; thread++) {
        int offset = thread;
        work.add(
            pool.submit(
                () -> {
                  try (VilaSession session = model.newSession()) {
                    for (int i = 0; i < 6; i++) {
                      int which = (i + offset) % prompts.size();
                      assertArrayEquals(expected.get(which), session.generate(prompts.get(which), MANY).ids());
                    }
                  }
                }));
      }
      for (Future<?> future : work) {
        future.get(100, TimeUnit.SECONDS);
      }
    } finally {
      pool.shutdownNow();
    }
  }

  @Test
  void streamsAtOnceGiveTheTokensOfEachAlone() {
    GenerationOptions sampled = MANY.toBuilder().temperature(0.8f).topP(0.9f).seed(11).build();
    try (VilaModel quantised =
        Vila.load(TestData.model("vila15-llama3-siglip"), LoadOptions.builder().precision("int8").maxRequests(4).build(), null)) {
      List<Prompt> prompts = List.of(prompt(), Prompt.of("Hello"), Prompt.of("Hello ".repeat(100)));
      List<int[]> expected = new ArrayList<>();
      for (int i = 0; i < 9; i++) { // more than are computed at once
        expected.add(quantised.generate(prompts.get(i % 3), i < 6 ? MANY : sampled).ids());
      }
      List<VilaSession> sessions = new ArrayList<>();
      List<TokenStream> streams = new ArrayList<>();
      for (int i = 0; i < expected.size(); i++) {
        sessions.add(quantised.newSession());
        streams.add(sessions.get(i).stream(prompts.get(i % 3), i < 6 ? MANY : sampled));
      }
      for (int i = 0; i < expected.size(); i++) {
        assertArrayEquals(expected.get(i), streams.get(i).completion().ids(), "stream " + i);
        streams.get(i).close();
        sessions.get(i).close();
      }
    }
  }

  @Test
  void aStreamThatNobodyReadsPausesAndHoldsUpNobody() {
    GenerationOptions long1 = MANY.toBuilder().maxNewTokens(3 * TokenStream.BOUND).build();
    int[] expected = model.generate(Prompt.of("Hello"), long1).ids();
    try (VilaSession stalled = model.newSession();
        VilaSession other = model.newSession();
        TokenStream unread = stalled.stream(Prompt.of("Hello"), long1)) {
      assertArrayEquals(expected, other.generate(Prompt.of("Hello"), long1).ids());
      assertArrayEquals(expected, other.generate(Prompt.of("Hello"), long1).ids());
      assertFalse(unread.isDone());
      assertThrows(SessionBusyException.class, () -> stalled.generate(Prompt.of("Hello"), MANY));
      for (int i = 0; i < TokenStream.BOUND; i++) {
        assertEquals(expected[i], unread.next().id());
      }
      assertArrayEquals(expected, unread.completion().ids()); // waits for the end, so that it may come
    }
    try (VilaSession stalled = model.newSession()) {
      TokenStream unread = stalled.stream(Prompt.of("Hello"), long1);
      model.generate(Prompt.of("Hello"), long1);
      unread.cancel();
      assertEquals(FinishReason.CANCELLED, unread.completion().finishReason());
      unread.close();
    }
  }

  @Test
  void moreRequestsThanAreComputedAtOnceWaitAndCanBeCancelled() {
    try (VilaModel one =
            Vila.load(TestData.model("vila15-llama3-siglip"), LoadOptions.builder().precision("fp32").maxRequests(1).build(), null);
        VilaSession first = one.newSession();
        VilaSession second = one.newSession();
        TokenStream unread = first.stream(Prompt.of("Hello"), MANY.toBuilder().maxNewTokens(2 * TokenStream.BOUND).build())) {
      unread.next();
      TokenStream waiting = second.stream(Prompt.of("Hello"), MANY);
      waiting.cancel();
      Completion none = waiting.completion();
      assertEquals(FinishReason.CANCELLED, none.finishReason());
      assertEquals(0, none.ids().length);
      waiting.close();
      try (TokenStream next = second.stream(Prompt.of("Hello"), MANY)) {
        unread.cancel();
        assertEquals(60, next.completion().ids().length);
      }
    }
    InvalidArgumentException none =
        assertThrows(
            InvalidArgumentException.class,
            () -> Vila.load(TestData.model("vila15-llama3-siglip"), LoadOptions.builder().maxRequests(0).build(), null));
    assertEquals("max_requests: 0, expected 1 to 1024", none.getMessage());
  }

  @Test
  void logProbabilitiesComeWhenAskedFor() {
    Completion without = model.generate(prompt(), MANY);
    assertEquals(0, without.logprobs().length);
    assertEquals(List.of(), without.topLogprobs());
    Completion with = model.generate(prompt(), MANY.toBuilder().topLogprobs(3).build());
    assertEquals(60, with.logprobs().length);
    assertEquals(60, with.topLogprobs().size());
    for (int i = 0; i < 60; i++) {
      List<TokenProbability> top = with.topLogprobs().get(i);
      assertEquals(3, top.size());
      assertEquals(new TokenProbability(with.ids()[i], with.logprobs()[i]), top.get(0));
      assertTrue(top.get(0).logprob() >= top.get(2).logprob());
    }
  }

  @Test
  void progressIsReportedAndItsListenerMayStopOrThrow() {
    List<Double> fractions = new ArrayList<>();
    try (VilaModel loaded =
        Vila.load(
            TestData.model("vila10-clip-linear"),
            LoadOptions.defaults(),
            (stage, fraction) -> {
              assertFalse(stage.isEmpty());
              fractions.add(fraction);
              return true;
            })) {
      assertTrue(loaded.info().vocabSize() > 0);
    }
    assertFalse(fractions.isEmpty());
    for (int i = 0; i < fractions.size(); i++) {
      assertTrue(fractions.get(i) >= (i == 0 ? 0 : fractions.get(i - 1)) && fractions.get(i) <= 1, fractions::toString);
    }
    CancelledException cancelled =
        assertThrows(
            CancelledException.class,
            () -> Vila.load(TestData.model("vila10-clip-linear"), LoadOptions.defaults(), (stage, fraction) -> false));
    assertEquals(ErrorCode.CANCELLED, cancelled.code());
    RuntimeException own = new IllegalArgumentException("mine");
    assertSame(
        own,
        assertThrows(
            IllegalArgumentException.class,
            () ->
                Vila.load(
                    TestData.model("vila10-clip-linear"),
                    LoadOptions.defaults(),
                    (stage, fraction) -> {
                      throw own;
                    })));
  }
}
