// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.cli;

import io.github.vila4j.Completion;
import io.github.vila4j.GenerationOptions;
import io.github.vila4j.Prompt;
import io.github.vila4j.VilaModel;
import io.github.vila4j.VilaSession;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** Several requests of one model at once, each in a session and a thread of its own. Its prompt is computed once per session. */
final class RequestsTogether implements AutoCloseable {
  private final VilaModel model;
  private final Prompt prompt;
  private final List<VilaSession> sessions = new CopyOnWriteArrayList<>();
  private volatile boolean cancelled;

  RequestsTogether(VilaModel model, Prompt prompt) {
    this.model = model;
    this.prompt = prompt;
  }

  /** Stops what is running, and what begins later. Any thread. */
  void cancel() {
    cancelled = true;
    sessions.forEach(VilaSession::cancel);
  }

  /**
   * Decodes {@code tokens} tokens behind the first one in each of {@code count} requests. Counted is from the moment when the last
   * of them has begun to the moment when the first has ended, so that all of them decode all the while.
   *
   * @return tokens per second of all together; of no meaning after {@link #cancel()}
   */
  double tokensPerSecond(int count, int tokens) {
    while (sessions.size() < count) {
      sessions.add(model.newSession());
      sessions.get(sessions.size() - 1).generate(prompt, Bench.options(1).build());
    }
    long[][] times = new long[count][tokens + 1];
    ExecutorService threads = Executors.newFixedThreadPool(count);
    try {
      List<Future<Completion>> answers = new ArrayList<>();
      for (int i = 0; i < count; i++) {
        VilaSession session = sessions.get(i);
        long[] mine = times[i];
        int[] received = {0};
        answers.add(
            threads.submit(
                () ->
                    session.generate(
                        prompt,
                        Bench.options(tokens + 1).build(),
                        token -> {
                          if (token.id() >= 0) {
                            mine[received[0]++] = System.nanoTime();
                          }
                          return !cancelled;
                        })));
      }
      for (Future<Completion> answer : answers) {
        answer.get();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new FailureException("interrupted", e);
    } catch (ExecutionException e) {
      throw new FailureException(count + " requests at once: " + e.getCause().getMessage(), e.getCause());
    } finally {
      threads.shutdown();
    }
    return rate(times);
  }

  /** Tokens per second while all requests decode; over the whole time where there is no such while. */
  static double rate(long[][] times) {
    int last = times[0].length - 1;
    long begin = Arrays.stream(times).mapToLong(mine -> mine[0]).max().orElseThrow();
    long end = Arrays.stream(times).mapToLong(mine -> mine[last]).min().orElseThrow();
    if (end <= begin) {
      begin = Arrays.stream(times).mapToLong(mine -> mine[0]).min().orElseThrow();
      end = Arrays.stream(times).mapToLong(mine -> mine[last]).max().orElseThrow();
    }
    long from = begin;
    long to = end;
    long tokens = Arrays.stream(times).flatMapToLong(Arrays::stream).filter(time -> time > from && time <= to).count();
    return tokens / Math.max((to - from) / 1e9, 1e-9);
  }

  @Override
  public void close() {
    sessions.forEach(VilaSession::close);
  }
}
