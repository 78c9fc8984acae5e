// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.shapes;

/**
 * How many answers were right.
 *
 * @param right of them
 * @param total asked
 */
public record Accuracy(int right, int total) {
  /** The normal quantile of a 95 % interval. */
  private static final double Z = 1.959963984540054;

  /**
   * One more answer.
   *
   * @param isRight whether it is right
   * @return the new counts
   */
  public Accuracy plus(boolean isRight) {
    return new Accuracy(right + (isRight ? 1 : 0), total + 1);
  }

  /**
   * The share of right answers.
   *
   * @return 0 to 1; 0 where nothing was asked
   */
  public double share() {
    return total == 0 ? 0 : right / (double) total;
  }

  /**
   * The lower end of the 95 % interval.
   *
   * @return 0 to 1
   */
  public double low() {
    return right == 0 ? 0 : centre() - half();
  }

  /**
   * The upper end of the 95 % interval.
   *
   * @return 0 to 1
   */
  public double high() {
    return right == total ? 1 : centre() + half();
  }

  /** Wilson's score interval (E. B. Wilson, Journal of the American Statistical Association 22, 1927). */
  private double centre() {
    return (share() + Z * Z / (2 * total)) / (1 + Z * Z / total);
  }

  private double half() {
    double p = share();
    return Z * Math.sqrt(p * (1 - p) / total + Z * Z / (4.0 * total * total)) / (1 + Z * Z / total);
  }
}
