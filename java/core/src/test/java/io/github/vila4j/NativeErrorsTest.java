// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;

import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Every code of the native side becomes its exception. */
class NativeErrorsTest {
  @Test
  void everyCodeHasItsType() {
    Map<String, Class<? extends VilaException>> types = new LinkedHashMap<>();
    types.put("1", InvalidArgumentException.class);
    types.put("2", NotFoundException.class);
    types.put("3", FileAccessException.class);
    types.put("4", DamagedFileException.class);
    types.put("5", UnsupportedException.class);
    types.put("6", CapacityException.class);
    types.put("7", SessionBusyException.class);
    types.put("8", CancelledException.class);
    types.put("9", BackendException.class);
    types.put("10", VilaException.class);
    types.forEach(
        (code, type) -> {
          VilaException e = (VilaException) NativeErrors.translate(new RuntimeException(code + ":file: it: broke"));
          assertSame(type, e.getClass());
          assertEquals("file: it: broke", e.getMessage());
          assertEquals(ErrorCode.values()[Integer.parseInt(code) - 1], e.code());
        });
  }

  @Test
  void codesAreThoseOfTheHeader() {
    Vila.version();
    io.github.vila4j.internal.Natives.ErrorCode[] codes = io.github.vila4j.internal.Natives.ErrorCode.values();
    assertEquals(ErrorCode.values().length - 1, codes.length);
    for (int i = 0; i < codes.length; i++) {
      assertEquals(i + 1, codes[i].value);
      assertEquals(ErrorCode.values()[i].name().toLowerCase(java.util.Locale.ROOT), codes[i].name());
    }
  }

  @Test
  void otherExceptionsStayThemselves() {
    RuntimeException state = new IllegalStateException("1:x");
    assertSame(state, NativeErrors.translate(state));
    VilaException unknown = (VilaException) NativeErrors.translate(new RuntimeException("Unknown exception."));
    assertEquals(ErrorCode.INTERNAL, unknown.code());
    assertEquals("Unknown exception.", unknown.getMessage());
  }
}
