// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

import java.util.List;
import java.util.stream.IntStream;

/**
 * What a checkpoint is.
 *
 * @param path the checkpoint's folder
 * @param family the family, for example "vila1.5"
 * @param languageModel the language model in a few words
 * @param visionTower the vision tower in a few words
 * @param projector the projector between the two
 * @param promptTemplate the id of the checkpoint's template
 * @param preprocessing how images become pixel values
 * @param weightDtype the type of the checkpoint's weights: bf16, fp16, fp32, or for example "awq int4, group 128"
 * @param precision the precision of the compiled plans, for example "fp32" or "int4, 19 of 56 layers int8"
 * @param backend what runs the plan, with its version
 * @param tokensPerImage positions that an image takes as one square
 * @param tiles whether an image that is alone in its prompt is cut into tiles
 * @param contextLength most positions of one session
 * @param vocabSize number of token ids
 * @param hiddenSize width of the language model
 * @param imagePlaceholderId the id that stands for an image in {@link TokenizedPrompt#inputIds()}
 * @param eosIds the ids that end an answer
 * @param weightBytes bytes of the weights in the checkpoint
 * @param kvBytesPerToken bytes of cache that each position takes
 * @param parameters number of parameters
 * @param blockParameters those of the decoder blocks' linear layers: multiply-accumulates of a position, attention aside
 */
public record ModelInfo(
    String path,
    String family,
    String languageModel,
    String visionTower,
    String projector,
    String promptTemplate,
    String preprocessing,
    String weightDtype,
    String precision,
    String backend,
    int tokensPerImage,
    boolean tiles,
    int contextLength,
    int vocabSize,
    int hiddenSize,
    int imagePlaceholderId,
    List<Integer> eosIds,
    long weightBytes,
    long kvBytesPerToken,
    long parameters,
    long blockParameters) {
  static ModelInfo of(io.github.vila4j.internal.ModelInfo info) {
    return new ModelInfo(
        Text.take(info.path()),
        Text.take(info.family()),
        Text.take(info.language_model()),
        Text.take(info.vision_tower()),
        Text.take(info.projector()),
        Text.take(info.prompt_template()),
        Text.take(info.preprocessing()),
        Text.take(info.weight_dtype()),
        Text.take(info.precision()),
        Text.take(info.backend()),
        info.tokens_per_image(),
        info.tiles(),
        info.context_length(),
        info.vocab_size(),
        info.hidden_size(),
        info.image_placeholder_id(),
        IntStream.of(NativeArrays.take(info.eos_ids())).boxed().toList(),
        info.weight_bytes(),
        info.kv_bytes_per_token(),
        info.parameters(),
        info.block_parameters());
  }
}
