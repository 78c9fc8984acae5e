// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.shapes;

import java.util.ArrayList;
import java.util.List;

/**
 * A small random generator (SplitMix64) whose numbers are the same on every JVM. Not thread-safe.
 *
 * <p>Source of the constants: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014.
 */
public final class Rng {
  private static final long GAMMA = 0x9E3779B97F4A7C15L;

  private long state;

  /**
   * Begins a sequence.
   *
   * @param seed any number
   */
  public Rng(long seed) {
    state = seed;
  }

  /**
   * A seed made of several numbers.
   *
   * @param parts any numbers
   * @return well mixed bits
   */
  public static long mix(long... parts) {
    long hash = 0;
    for (long part : parts) {
      hash = scramble(hash + GAMMA + scramble(part + GAMMA));
    }
    return hash;
  }

  private static long scramble(long z) {
    z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
    z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
    return z ^ (z >>> 31);
  }

  /**
   * The next 64 bits.
   *
   * @return any number
   */
  public long nextLong() {
    state += GAMMA;
    return scramble(state);
  }

  /**
   * A number below a bound.
   *
   * @param bound above 0
   * @return 0 to {@code bound} - 1
   */
  public int below(int bound) {
    return (int) ((nextLong() >>> 32) * bound >>> 32);
  }

  /**
   * A number of a range.
   *
   * @param low the least
   * @param high the most
   * @return {@code low} to {@code high}
   */
  public int between(int low, int high) {
    return low + below(high - low + 1);
  }

  /**
   * A real number of a range.
   *
   * @param low the least
   * @param high the bound above
   * @return at least {@code low} and below {@code high}
   */
  public double between(double low, double high) {
    return low + (high - low) * ((nextLong() >>> 11) * 0x1.0p-53);
  }

  /**
   * A throw of a biased coin.
   *
   * @param probability 0 to 1
   * @return true that often
   */
  public boolean chance(double probability) {
    return between(0.0, 1.0) < probability;
  }

  /**
   * One of a list.
   *
   * @param list not empty
   * @param <T> its elements
   * @return an element, each as likely
   */
  public <T> T pick(List<T> list) {
    return list.get(below(list.size()));
  }

  /**
   * One of some values.
   *
   * @param values at least one
   * @param <T> their type
   * @return one of them, each as likely
   */
  @SafeVarargs
  public final <T> T pick(T... values) {
    return values[below(values.length)];
  }

  /**
   * A list in another order.
   *
   * @param list any list
   * @param <T> its elements
   * @return a new list, every order as likely
   */
  public <T> List<T> shuffled(List<T> list) {
    List<T> result = new ArrayList<>(list);
    for (int i = result.size() - 1; i > 0; i--) {
      int j = below(i + 1);
      T swap = result.get(i);
      result.set(i, result.get(j));
      result.set(j, swap);
    }
    return result;
  }
}
