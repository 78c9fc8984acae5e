// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

import java.lang.ref.Reference;
import java.nio.file.Path;
import java.util.Objects;
import java.util.OptionalInt;
import java.util.function.Function;
import org.bytedeco.javacpp.BytePointer;

/**
 * Text to token ids and back, exactly as the checkpoint's own tokenizer. Thread-safe. The tokenizer of a model is closed with the
 * model; one that {@link #load} opened is to be closed.
 */
public final class Tokenizer implements AutoCloseable {
  private final io.github.vila4j.internal.Tokenizer pointer;
  private final Handle<?> handle;
  private final boolean owned;
  /** The model whose tokenizer this is: not collected while this is in use. */
  private final VilaModel model;

  private Tokenizer(io.github.vila4j.internal.Tokenizer pointer) {
    this.pointer = pointer;
    handle = new Handle<>(this, pointer, () -> {});
    owned = true;
    model = null;
  }

  /** A tokenizer that lives as long as {@code model}. */
  Tokenizer(io.github.vila4j.internal.Tokenizer pointer, VilaModel model, Handle<?> modelHandle) {
    this.pointer = pointer;
    handle = modelHandle;
    owned = false;
    this.model = model;
  }

  /**
   * Opens the tokenizer of a checkpoint folder, or of a folder that holds only tokenizer files, without loading weights.
   *
   * @param folder the folder
   * @return the tokenizer, to be closed
   */
  public static Tokenizer load(Path folder) {
    Engine.start();
    try (BytePointer path = Text.toNative("tokenizer folder", folder.toString())) {
      return new Tokenizer(NativeErrors.translating(() -> io.github.vila4j.internal.Tokenizer.load(path)));
    }
  }

  private <T> T use(Function<io.github.vila4j.internal.Tokenizer, T> call) {
    try {
      return handle.use(guard -> call.apply(pointer));
    } finally {
      Reference.reachabilityFence(model);
    }
  }

  /**
   * Text to ids. Special tokens that are written in the text become their ids.
   *
   * @param text any well-formed text
   * @param addSpecialTokens whether to add what the tokenizer itself adds, usually a leading BOS
   * @return the ids
   * @throws InvalidArgumentException when the text has an unpaired surrogate
   */
  public int[] encode(String text, boolean addSpecialTokens) {
    return use(
        tokenizer -> {
          try (BytePointer bytes = Text.toNative("text", text)) {
            return NativeArrays.take(tokenizer.encode(bytes, addSpecialTokens));
          }
        });
  }

  /**
   * Ids to text. Bytes that are no UTF-8 become U+FFFD.
   *
   * @param ids token ids
   * @param skipSpecialTokens whether to leave special tokens out
   * @return the text
   * @throws InvalidArgumentException when an id is outside the vocabulary
   */
  public String decode(int[] ids, boolean skipSpecialTokens) {
    Objects.requireNonNull(ids, "ids");
    return use(tokenizer -> Text.take(tokenizer.decode(ids, skipSpecialTokens)));
  }

  /**
   * The number of ids, added tokens included.
   *
   * @return above 0
   */
  public int vocabSize() {
    return use(io.github.vila4j.internal.Tokenizer::vocab_size);
  }

  /**
   * The id that begins a text.
   *
   * @return empty where the tokenizer has none
   */
  public OptionalInt bosId() {
    return optional(use(io.github.vila4j.internal.Tokenizer::bos_id));
  }

  /**
   * The id that ends a text.
   *
   * @return empty where the tokenizer has none
   */
  public OptionalInt eosId() {
    return optional(use(io.github.vila4j.internal.Tokenizer::eos_id));
  }

  /**
   * The id of an exact piece or added token.
   *
   * @param token the piece as it is stored
   * @return empty where there is none
   */
  public OptionalInt tokenToId(String token) {
    return optional(
        use(
            tokenizer -> {
              try (BytePointer bytes = Text.toNative("token", token)) {
                return tokenizer.token_to_id(bytes);
              }
            }));
  }

  private static OptionalInt optional(int id) {
    return id < 0 ? OptionalInt.empty() : OptionalInt.of(id);
  }

  /**
   * The piece of an id as it is stored, with its word marks or byte letters.
   *
   * @param id a token id
   * @return the piece
   * @throws InvalidArgumentException when the id is outside the vocabulary
   */
  public String idToToken(int id) {
    return use(tokenizer -> Text.take(tokenizer.id_to_token(id)));
  }

  /**
   * Frees the tokenizer. Closing it twice, or closing the tokenizer of a model, does nothing.
   *
   * @throws IllegalStateException while another thread is inside it
   */
  @Override
  public void close() {
    if (owned) {
      handle.close();
    }
  }
}
