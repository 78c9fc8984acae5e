// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.cli;

import java.util.ArrayList;
import java.util.List;

/** Reading a row of logits. */
final class Logits {
  private Logits() {}

  /** A token id and the natural logarithm of its probability. */
  record Candidate(int id, double logprob) {}

  /** The best id; the lower one of equals. */
  static int best(float[] logits) {
    int best = 0;
    for (int id = 1; id < logits.length; id++) {
      if (logits[id] > logits[best]) {
        best = id;
      }
    }
    return best;
  }

  /** The {@code count} best ids, best first; of equals the lower one first. */
  static List<Candidate> top(float[] logits, int count) {
    double max = logits[best(logits)];
    double sum = 0;
    for (float logit : logits) {
      sum += Math.exp(logit - max);
    }
    double logSum = max + Math.log(sum);
    List<Candidate> top = new ArrayList<>();
    boolean[] taken = new boolean[logits.length];
    while (top.size() < Math.min(count, logits.length)) {
      int best = -1;
      for (int id = 0; id < logits.length; id++) {
        if (!taken[id] && (best < 0 || logits[id] > logits[best])) {
          best = id;
        }
      }
      taken[best] = true;
      top.add(new Candidate(best, logits[best] - logSum));
    }
    return top;
  }
}
