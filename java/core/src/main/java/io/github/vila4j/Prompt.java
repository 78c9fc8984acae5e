// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

import io.github.vila4j.internal.ImageList;
import io.github.vila4j.internal.Natives;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.bytedeco.javacpp.BytePointer;

/**
 * A conversation with images anywhere in it: turns of the user and the assistant by turns, ending with the user's. Immutable.
 *
 * <pre>{@code
 * Prompt one = Prompt.of("What is in the image?", image);
 * Prompt compare = Prompt.builder().user(before, PromptPart.text("and"), after, PromptPart.text("What changed?")).build();
 * Prompt talk = Prompt.builder().user("Who wrote Faust?").assistant("Goethe.").user("When?").build();
 * }</pre>
 *
 * <p>A {@link Video} stands for those of its frames that a model looks at, each an image.
 *
 * <p>Images are placed in one of two ways: as parts of a turn, or, in <em>marked</em> turns, where the text says {@code <image>}.
 * Whether a prompt makes sense (the order of turns, as many images as marks, a template that exists) is checked when it is used.
 */
public final class Prompt {
  /** A turn; with {@code marked} its parts are videos, then text whose {@code <image>} marks are filled by the prompt's images. */
  private record Turn(Role role, boolean marked, List<PromptPart> parts) {}

  private final List<Turn> turns;
  private final List<VilaImage> markedImages;
  private final String system;
  private final String template;

  private Prompt(Builder builder) {
    turns = builder.turns.stream().map(turn -> new Turn(turn.role, turn.marked, List.copyOf(turn.parts))).toList();
    markedImages = List.copyOf(builder.markedImages);
    system = builder.system;
    template = builder.template;
  }

  /**
   * A single turn of the user. Each {@code <image>} in the text stands for the next image; without any, the images come first.
   *
   * @param text what the user says
   * @param images the images in order
   * @return the prompt
   */
  public static Prompt of(String text, VilaImage... images) {
    return builder().marked(Role.USER, text).images(Arrays.asList(images)).build();
  }

  /**
   * A single turn of the user about videos.
   *
   * @param text what the user says; it comes after the videos, and {@code <image>} and {@code <video>} in it are plain text
   * @param first a video
   * @param videos more of them, in order
   * @return the prompt
   */
  public static Prompt of(String text, Video first, Video... videos) {
    Builder builder = builder().user(first);
    Arrays.asList(videos).forEach(builder::video);
    return builder.text(text).build();
  }

  /**
   * Begins a prompt.
   *
   * @return a builder without turns
   */
  public static Builder builder() {
    return new Builder();
  }

  /**
   * A builder that holds this prompt, to go on from it.
   *
   * @return a builder with the same turns, images, system text and template
   */
  public Builder toBuilder() {
    Builder builder = new Builder();
    turns.forEach(turn -> builder.turns.add(new Turn(turn.role, turn.marked, new ArrayList<>(turn.parts))));
    builder.markedImages.addAll(markedImages);
    builder.system = system;
    builder.template = template;
    return builder;
  }

  /**
   * The number of turns.
   *
   * @return 0 or more
   */
  public int turnCount() {
    return turns.size();
  }

  /**
   * The number of images, in parts and for marks; the frames of videos are not counted.
   *
   * @return 0 or more
   */
  public int imageCount() {
    return parts(VilaImage.class) + markedImages.size();
  }

  /**
   * The number of videos.
   *
   * @return 0 or more
   */
  public int videoCount() {
    return parts(Video.class);
  }

  private int parts(Class<? extends PromptPart> kind) {
    return Math.toIntExact(turns.stream().flatMap(turn -> turn.parts.stream()).filter(kind::isInstance).count());
  }

  /**
   * The system text that replaces the template's own.
   *
   * @return empty when the template's own is used
   */
  public Optional<String> system() {
    return Optional.ofNullable(system);
  }

  /**
   * The id of the template that replaces the model's own.
   *
   * @return empty when the model's own is used
   */
  public Optional<String> template() {
    return Optional.ofNullable(template);
  }

  /** The native prompt with the frames that {@code sampling} takes from its videos; the caller closes it. */
  io.github.vila4j.internal.Prompt toNative(VideoSampling sampling) {
    io.github.vila4j.internal.Prompt prompt = new io.github.vila4j.internal.Prompt();
    try {
      NativeErrors.translating(() -> fill(prompt, sampling));
      return prompt;
    } catch (Throwable e) {
      prompt.close();
      throw e;
    }
  }

  private void fill(io.github.vila4j.internal.Prompt prompt, VideoSampling sampling) {
    if (system != null) {
      try (BytePointer text = Text.toNative("system text", system)) {
        prompt.set_system(text);
      }
    }
    if (template != null) {
      try (BytePointer id = Text.toNative("template", template)) {
        prompt.set_template(id);
      }
    }
    for (int i = 0; i < turns.size(); i++) {
      add(prompt, turns.get(i), sampling, "text of turn " + (i + 1));
    }
    if (!markedImages.isEmpty() || turns.stream().anyMatch(Turn::marked)) {
      try (ImageList images = toNative(markedImages)) {
        images.place(prompt);
      }
    }
  }

  private static ImageList toNative(List<VilaImage> images) {
    ImageList list = new ImageList();
    try {
      for (VilaImage image : images) {
        try (io.github.vila4j.internal.Image pixels = image.toNative()) {
          list.add(pixels);
        }
      }
      return list;
    } catch (Throwable e) {
      list.close();
      throw e;
    }
  }

  private static void add(io.github.vila4j.internal.Prompt prompt, Turn turn, VideoSampling sampling, String what) {
    Natives.Role role = turn.role == Role.USER ? Natives.Role.user : Natives.Role.assistant;
    boolean begins = !turn.marked || turn.parts.size() > 1;
    if (begins) {
      prompt.begin_turn(role);
    }
    for (PromptPart part : turn.parts) {
      if (part instanceof VilaImage image) {
        try (io.github.vila4j.internal.Image pixels = image.toNative()) {
          prompt.add_image(pixels);
        }
      } else if (part instanceof Video video) {
        try (ImageList frames = toNative(video.frames(sampling))) {
          frames.append_as_video(prompt);
        }
      } else if (part instanceof PromptPart.TextPart text) {
        try (BytePointer bytes = Text.toNative(what, text.text())) {
          if (turn.marked && begins) {
            prompt.add_marked_text(bytes);
          } else if (turn.marked) {
            prompt.add_marked_turn(role, bytes);
          } else {
            prompt.add_text(bytes);
          }
        }
      }
    }
  }

  /** Collects the turns of a {@link Prompt}. Not thread-safe. */
  public static final class Builder {
    private final List<Turn> turns = new ArrayList<>();
    private final List<VilaImage> markedImages = new ArrayList<>();
    private String system;
    private String template;

    private Builder() {}

    /**
     * Begins a turn of the user.
     *
     * @param parts text, images and videos in any order; more can follow with {@link #text}, {@link #image} and {@link #video}
     * @return this
     */
    public Builder user(PromptPart... parts) {
      return turn(Role.USER, parts);
    }

    /**
     * Begins a turn of the user.
     *
     * @param text what the user says; {@code <image>} in it is plain text
     * @return this
     */
    public Builder user(String text) {
      return turn(Role.USER, PromptPart.text(text));
    }

    /**
     * Begins a turn of the assistant: an answer given earlier, or one to learn from.
     *
     * @param text what the assistant said; {@code <image>} in it is plain text
     * @return this
     */
    public Builder assistant(String text) {
      return turn(Role.ASSISTANT, PromptPart.text(text));
    }

    private Builder turn(Role role, PromptPart... parts) {
      List<PromptPart> list = new ArrayList<>();
      for (PromptPart part : parts) {
        list.add(Objects.requireNonNull(part, "part"));
      }
      turns.add(new Turn(role, false, list));
      return this;
    }

    /**
     * Appends text to the current turn.
     *
     * @param text the text; {@code <image>} in it is plain text
     * @return this
     */
    public Builder text(String text) {
      return append(PromptPart.text(text));
    }

    /**
     * Appends an image to the current turn.
     *
     * @param image the image
     * @return this
     */
    public Builder image(VilaImage image) {
      return append(Objects.requireNonNull(image, "image"));
    }

    /**
     * Appends a video to the current turn. Models of VILA 1.0 and 1.5 get a line end after each frame.
     *
     * @param video the video
     * @return this
     */
    public Builder video(Video video) {
      return append(Objects.requireNonNull(video, "video"));
    }

    private Builder append(PromptPart part) {
      Turn last = turns.isEmpty() ? null : turns.get(turns.size() - 1);
      if (last == null || last.marked) {
        throw new IllegalStateException("no turn to append to: call user() or assistant() first");
      }
      last.parts.add(part);
      return this;
    }

    /**
     * Begins a turn in whose text each {@code <image>} stands for the next of {@link #images}.
     *
     * @param role who speaks
     * @param text what is said
     * @param videos what comes before the text
     * @return this
     */
    public Builder marked(Role role, String text, Video... videos) {
      Objects.requireNonNull(role, "role");
      List<PromptPart> parts = new ArrayList<>(List.of(videos));
      parts.add(PromptPart.text(text));
      turns.add(new Turn(role, true, parts));
      return this;
    }

    /**
     * Appends images for the marks of the marked turns. When no turn has a mark, they come before the first turn's text.
     *
     * @param images the images in order
     * @return this
     */
    public Builder images(List<VilaImage> images) {
      images.forEach(image -> markedImages.add(Objects.requireNonNull(image, "image")));
      return this;
    }

    /**
     * Replaces the template's system text.
     *
     * @param text the system text
     * @return this
     */
    public Builder system(String text) {
      system = Objects.requireNonNull(text, "text");
      return this;
    }

    /**
     * Uses a template other than the model's own.
     *
     * @param id one of vicuna_v1, vicuna_v1_nosys, llava15, llama_3, llama_3_fix, llama_3_tinychat, hermes-2, mpt, llama_2, plain,
     *     qwen2
     * @return this
     */
    public Builder template(String id) {
      template = Objects.requireNonNull(id, "id");
      return this;
    }

    /**
     * Makes the prompt.
     *
     * @return a prompt that later changes of this builder do not reach
     */
    public Prompt build() {
      return new Prompt(this);
    }
  }
}
