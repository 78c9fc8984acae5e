// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

import java.util.function.BooleanSupplier;
import org.bytedeco.javacpp.BytePointer;

/** Hands native tokens to a {@link TokenListener}. */
final class TokenBridge extends io.github.vila4j.internal.TokenListener {
  private final TokenListener listener;
  private final BooleanSupplier wanted;
  private final Callback callback;

  /** {@code wanted} says at the beginning whether there is still to be an answer. */
  TokenBridge(TokenListener listener, BooleanSupplier wanted, Callback callback) {
    this.listener = listener;
    this.wanted = wanted;
    this.callback = callback;
  }

  @Override
  public boolean on_begin() {
    return callback.run(wanted);
  }

  @Override
  public boolean on_token(int id, BytePointer text) {
    return callback.run(() -> listener.onToken(new Token(id, Text.peek(text))));
  }
}
