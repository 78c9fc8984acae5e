// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

import java.util.List;

/**
 * What a checkpoint's folder holds, whether or not it can be run ({@link Vila#inspect}). What could not be read is empty or zero.
 *
 * @param info what the checkpoint is, with the precision that loading chooses here by itself
 * @param precisionReason why that precision is chosen: what the weights take, and the memory; empty where it is not known
 * @param problems everything that keeps it from running, a line each that names the file; empty when it runs
 * @param language the language model's tensors
 * @param vision the vision tower's tensors, of the layers that are run
 * @param projector the projector's tensors
 * @param fileBytes bytes of the files that hold the weights, each counted once
 * @param tokenizer kind and file of the tokenizer, for example "SentencePiece, tokenizer.model"
 * @param tokenizerSize number of the tokenizer's ids
 * @param templateReason why the template of {@code info} was chosen
 * @param templates the ids of every template that can be chosen instead
 * @param minSingleImageTokens fewest tokens of an image that is the only one of its prompt: models that tile look closer at it
 * @param maxSingleImageTokens most tokens of such an image
 * @param videoFrames frames that the model looks at in a video
 * @param videoTokens tokens of all of them
 * @param planBytes bytes of the compiled plans on disk; zero where it cannot run
 * @param weightMemoryBytes bytes of the weights in memory; zero where it cannot run
 */
public record CheckpointReport(
    ModelInfo info,
    String precisionReason,
    List<String> problems,
    PartSize language,
    PartSize vision,
    PartSize projector,
    long fileBytes,
    String tokenizer,
    int tokenizerSize,
    String templateReason,
    List<String> templates,
    int minSingleImageTokens,
    int maxSingleImageTokens,
    int videoFrames,
    int videoTokens,
    long planBytes,
    long weightMemoryBytes) {
  static CheckpointReport of(io.github.vila4j.internal.CheckpointReport report) {
    return new CheckpointReport(
        ModelInfo.of(report.info()),
        Text.take(report.precision_reason()),
        Text.list(report.problems()),
        PartSize.of(report.language()),
        PartSize.of(report.vision()),
        PartSize.of(report.projector()),
        report.file_bytes(),
        Text.take(report.tokenizer()),
        report.tokenizer_size(),
        Text.take(report.template_reason()),
        Text.list(report.templates()),
        report.min_single_image_tokens(),
        report.max_single_image_tokens(),
        report.video_frames(),
        report.video_tokens(),
        report.plan_bytes(),
        report.weight_memory_bytes());
  }

  /**
   * Whether the checkpoint can be run.
   *
   * @return whether there are no problems
   */
  public boolean isRunnable() {
    return problems.isEmpty();
  }
}
