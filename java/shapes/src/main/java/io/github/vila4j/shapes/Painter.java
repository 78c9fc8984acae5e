// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.shapes;

/**
 * Draws scenes with plain arithmetic, so that the pixels are the same on every JVM. Edges are smoothed by nine samples a pixel.
 */
public final class Painter {
  private static final int SAMPLES = 3;

  /** How far a colour without a name is from those that have one, 0 to 442. */
  private static final int UNLIKE = 45;
  /** The most that its darkest part has, so that it shows on paper. */
  private static final int DARK = 140;

  private final int width;
  private final int height;
  private final boolean named;
  private final float[] canvas;

  private Painter(int width, int height, boolean named) {
    this.width = width;
    this.height = height;
    this.named = named;
    canvas = new float[width * height * 3];
  }

  /**
   * Draws a scene.
   *
   * @param scene the scene
   * @return its pixels
   */
  public static Picture paint(Scene scene) {
    return paint(scene, true);
  }

  /**
   * Draws a scene in colours that have no name, so that shapes are learnt apart from colours.
   *
   * @param scene the scene, of whose things everything but the colour is drawn
   * @return its pixels
   */
  public static Picture paintUnnamed(Scene scene) {
    return paint(scene, false);
  }

  private static Picture paint(Scene scene, boolean named) {
    Painter painter = new Painter(scene.width(), scene.height(), named);
    Rng rng = new Rng(scene.seed());
    float[] paper = painter.background(rng);
    painter.clutter(rng, paper);
    for (Thing thing : scene.things()) {
      painter.thing(thing, rng);
    }
    if (!scene.text().isEmpty()) {
      painter.text(scene, rng);
    }
    return new Picture(scene.width(), scene.height(), painter.develop(rng));
  }

  /** Pale paper with a slight gradient; returns its mean colour. */
  private float[] background(Rng rng) {
    float[] paper = new float[3];
    float base = (float) rng.between(196.0, 250.0);
    for (int c = 0; c < 3; c++) {
      paper[c] = base + (float) rng.between(-8.0, 6.0);
    }
    double slopeX = rng.between(-18.0, 18.0) / width;
    double slopeY = rng.between(-18.0, 18.0) / height;
    for (int y = 0, at = 0; y < height; y++) {
      for (int x = 0; x < width; x++) {
        float shade = (float) ((x - width / 2) * slopeX + (y - height / 2) * slopeY);
        for (int c = 0; c < 3; c++) {
          canvas[at++] = paper[c] + shade;
        }
      }
    }
    return paper;
  }

  /** Faint lines and specks that mean nothing. */
  private void clutter(Rng rng, float[] paper) {
    int marks = rng.below(7);
    for (int i = 0; i < marks; i++) {
      float change = (float) rng.between(-34.0, 12.0);
      float[] ink = {paper[0] + change, paper[1] + change, paper[2] + change};
      double x = rng.between(0.0, width);
      double y = rng.between(0.0, height);
      double toX = rng.between(-1.0, 1.0);
      double toY = rng.between(-1.0, 1.0);
      int length = rng.chance(0.5) ? rng.between(10, 60) : 1;
      double thickness = length == 1 ? rng.between(1.0, 2.5) : rng.between(0.4, 1.0);
      for (int step = 0; step < length; step++) {
        disc(x + step * toX, y + step * toY, thickness, ink);
      }
    }
  }

  private void disc(double cx, double cy, double radius, float[] ink) {
    int bottom = Math.min(height - 1, (int) (cy + radius));
    int right = Math.min(width - 1, (int) (cx + radius));
    for (int y = Math.max(0, (int) (cy - radius)); y <= bottom; y++) {
      for (int x = Math.max(0, (int) (cx - radius)); x <= right; x++) {
        if ((x - cx) * (x - cx) + (y - cy) * (y - cy) <= radius * radius) {
          blend(x, y, 1, ink);
        }
      }
    }
  }

  private void blend(int x, int y, float part, float[] ink) {
    int at = (y * width + x) * 3;
    for (int c = 0; c < 3; c++) {
      canvas[at + c] += part * (ink[c] - canvas[at + c]);
    }
  }

  private void thing(Thing thing, Rng rng) {
    double radius = thing.radius() * Math.min(width, height);
    double cx = thing.centreX() * width;
    double cy = thing.centreY() * height;
    float[] ink = new float[3];
    float[] pale = new float[3];
    int[] rgb = named ? thing.colour().rgb() : unnamed(rng);
    float light = (float) rng.between(-14.0, 14.0);
    for (int c = 0; c < 3; c++) {
      ink[c] = rgb[c] + light + (float) rng.between(-7.0, 7.0);
      pale[c] = ink[c] * 0.3f + 255 * 0.7f;
    }
    int bottom = Math.min(height - 1, (int) (cy + radius) + 1);
    int right = Math.min(width - 1, (int) (cx + radius) + 1);
    for (int y = Math.max(0, (int) (cy - radius)); y <= bottom; y++) {
      for (int x = Math.max(0, (int) (cx - radius)); x <= right; x++) {
        int inside = 0;
        int onPale = 0;
        for (int sample = 0; sample < SAMPLES * SAMPLES; sample++) {
          double u = (x + (sample % SAMPLES + 0.5) / SAMPLES - cx) / radius;
          double v = (y + (sample / SAMPLES + 0.5) / SAMPLES - cy) / radius;
          if (thing.shape().contains(u, v)) {
            inside++;
            if (thing.texture().isPale(u, v)) {
              onPale++;
            }
          }
        }
        if (inside > 0) {
          float share = onPale / (float) inside;
          float[] mixed = new float[3];
          for (int c = 0; c < 3; c++) {
            mixed[c] = ink[c] + share * (pale[c] - ink[c]);
          }
          blend(x, y, inside / (float) (SAMPLES * SAMPLES), mixed);
        }
      }
    }
  }

  private static int[] unnamed(Rng rng) {
    while (true) {
      int[] rgb = {rng.below(256), rng.below(256), rng.below(256)};
      boolean unlike = true;
      for (Colour colour : Colour.values()) {
        int[] other = colour.rgb();
        unlike &= Math.hypot(Math.hypot(rgb[0] - other[0], rgb[1] - other[1]), rgb[2] - other[2]) >= UNLIKE;
      }
      if (unlike && Math.min(rgb[0], Math.min(rgb[1], rgb[2])) <= DARK) {
        return rgb;
      }
    }
  }

  /** One line of dark letters in its row of places. */
  private void text(Scene scene, Rng rng) {
    String text = scene.text();
    int columns = text.length() * (Font.WIDTH + 1) - 1;
    double cell = Math.min(width * rng.between(0.55, 0.85) / Math.max(columns, 17), height * 0.29 / Font.HEIGHT);
    double left = width / 2.0 - columns * cell / 2 + rng.between(-0.05, 0.05) * width;
    double top = (scene.textRow() * 2 + 1) / 6.0 * height - Font.HEIGHT * cell / 2 + rng.between(-0.02, 0.02) * height;
    float[] ink = new float[3];
    for (int c = 0; c < 3; c++) {
      ink[c] = (float) rng.between(10.0, 80.0);
    }
    for (int y = Math.max(0, (int) top); y <= Math.min(height - 1, (int) (top + Font.HEIGHT * cell)); y++) {
      for (int x = Math.max(0, (int) left); x <= Math.min(width - 1, (int) (left + columns * cell)); x++) {
        int inside = 0;
        for (int sample = 0; sample < SAMPLES * SAMPLES; sample++) {
          double u = (x + (sample % SAMPLES + 0.5) / SAMPLES - left) / cell;
          double v = (y + (sample / SAMPLES + 0.5) / SAMPLES - top) / cell;
          int column = (int) u % (Font.WIDTH + 1);
          boolean onGrid = u >= 0 && v >= 0 && u < columns && v < Font.HEIGHT && column < Font.WIDTH;
          if (onGrid && Font.inked(text.charAt((int) u / (Font.WIDTH + 1)), column, (int) v)) {
            inside++;
          }
        }
        blend(x, y, inside / (float) (SAMPLES * SAMPLES), ink);
      }
    }
  }

  /** Bytes, with noise. */
  private byte[] develop(Rng rng) {
    double strength = rng.between(0.0, 9.0) / 256;
    byte[] rgb = new byte[canvas.length];
    long bits = 0;
    for (int i = 0; i < rgb.length; i++) {
      bits = i % 4 == 0 ? rng.nextLong() : bits >>> 16;
      double noise = ((bits & 0xFF) + (bits >>> 8 & 0xFF) - 255) * strength;
      rgb[i] = (byte) Math.max(0, Math.min(255, (int) (canvas[i] + noise + 0.5)));
    }
    return rgb;
  }
}
