// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

import org.bytedeco.javacpp.BytePointer;

/** Hands native tokens to a {@link TokenListener}. */
final class TokenBridge extends io.github.vila4j.internal.TokenListener {
  private final TokenListener listener;
  private final Callback callback;

  TokenBridge(TokenListener listener, Callback callback) {
    this.listener = listener;
    this.callback = callback;
  }

  @Override
  public boolean on_token(int id, BytePointer text) {
    return callback.run(() -> listener.onToken(new Token(id, Text.peek(text))));
  }
}
