// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Options reach the native side unchanged, and their defaults are the engine's. */
class OptionsTest {
  @BeforeAll
  static void start() {
    Vila.version();
  }

  @Test
  void defaultsOfGenerationAreTheEngines() {
    try (var engine = new io.github.vila4j.internal.GenerationOptions();
        var ours = GenerationOptions.defaults().toNative()) {
      assertEquals(describe(engine), describe(ours));
    }
  }

  @Test
  void generationOptionsArrive() {
    GenerationOptions options =
        GenerationOptions.builder()
            .maxNewTokens(1)
            .temperature(0.2f)
            .topK(3)
            .topP(0.4f)
            .minP(0.05f)
            .repetitionPenalty(1.6f)
            .presencePenalty(0.7f)
            .frequencyPenalty(0.8f)
            .seed(1L << 40)
            .topLogprobs(10)
            .ignoreEos(true)
            .reusePrefix(false)
            .stop(List.of("a\0b", "ä"))
            .stopIds(List.of(12, 13))
            .build();
    try (var arrived = options.toBuilder().build().toNative()) {
      assertEquals(
          "1 0.2 3 0.4 0.05 1.6 0.7 0.8 " + (1L << 40) + " 10 true false [a\0b, ä] [12, 13]", describe(arrived));
    }
  }

  private static String describe(io.github.vila4j.internal.GenerationOptions o) {
    List<Integer> ids = new ArrayList<>();
    for (int id : NativeArrays.take(o.stop_ids())) {
      ids.add(id);
    }
    return String.join(
        " ",
        List.of(
            "" + o.max_new_tokens(),
            "" + o.temperature(),
            "" + o.top_k(),
            "" + o.top_p(),
            "" + o.min_p(),
            "" + o.repetition_penalty(),
            "" + o.presence_penalty(),
            "" + o.frequency_penalty(),
            "" + o.seed(),
            "" + o.top_logprobs(),
            "" + o.ignore_eos(),
            "" + o.reuse_prefix(),
            "" + Text.list(o.stop()),
            "" + ids));
  }

  @Test
  void defaultsOfLoadingAreTheEngines() {
    try (var engine = new io.github.vila4j.internal.LoadOptions();
        var ours = LoadOptions.defaults().toNative()) {
      assertEquals(describe(engine), describe(ours));
    }
  }

  @Test
  void loadOptionsArrive() {
    LoadOptions options =
        LoadOptions.builder()
            .backend("b")
            .precision("p")
            .cacheDir(Path.of("/c"))
            .device(3)
            .threads(4)
            .contextLength(5)
            .maxRequests(6)
            .imageCacheBytes(1L << 33)
            .prefixCacheBytes(1L << 34)
            .promptTemplate("t")
            .imagesOnly(true)
            .build();
    assertEquals(Optional.of(Path.of("/c")), options.cacheDir());
    try (var arrived = options.toBuilder().build().toNative()) {
      assertEquals("b p /c 3 4 5 6 " + (1L << 33) + " " + (1L << 34) + " t true", describe(arrived));
    }
  }

  private static String describe(io.github.vila4j.internal.LoadOptions o) {
    return String.join(
        " ",
        List.of(
            Text.take(o.backend()),
            Text.take(o.precision()),
            Text.take(o.cache_dir()),
            "" + o.device(),
            "" + o.threads(),
            "" + o.context_length(),
            "" + o.max_requests(),
            "" + o.image_cache_bytes(),
            "" + o.prefix_cache_bytes(),
            Text.take(o.prompt_template()),
            "" + o.images_only()));
  }

  @Test
  void senselessOptionsAreRefusedWithTheirName() {
    try (VilaModel model = TestData.load("vila10-clip-linear")) {
      assertRefused(model, "max_new_tokens", GenerationOptions.builder().maxNewTokens(0));
      assertRefused(model, "temperature", GenerationOptions.builder().temperature(-1));
      assertRefused(model, "temperature", GenerationOptions.builder().temperature(Float.NaN));
      assertRefused(model, "top_p", GenerationOptions.builder().topP(0));
      assertRefused(model, "top_logprobs", GenerationOptions.builder().topLogprobs(21));
    }
    InvalidArgumentException backend =
        assertThrows(
            InvalidArgumentException.class,
            () -> Vila.load(TestData.model("vila10-clip-linear"), LoadOptions.builder().backend("abacus").build(), null));
    assertTrue(backend.getMessage().contains("abacus"), backend.getMessage());
  }

  private static void assertRefused(VilaModel model, String name, GenerationOptions.Builder options) {
    InvalidArgumentException refused =
        assertThrows(InvalidArgumentException.class, () -> model.generate(Prompt.of("Hello"), options.build()));
    assertTrue(refused.getMessage().contains(name), refused.getMessage());
  }
}
