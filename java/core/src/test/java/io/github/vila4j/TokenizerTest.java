// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.nio.file.Path;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Every given vector, and what text can go wrong with. */
class TokenizerTest {
  private static final Path CASES = TestData.ROOT.resolve("cases");

  @ParameterizedTest
  @CsvSource({
    "vila10-clip-linear, model", "vila15-llama3-siglip, model", "vila15-llama3-siglip, model/llm", "vila15-llama2-siglip, tokenizer"
  })
  void vectors(String name, String folder) {
    JsonArray vectors = TestData.json(CASES.resolve(name).resolve("tokenizer_vectors.json")).getAsJsonArray("vectors");
    assertTrue(vectors.size() > 100);
    try (Tokenizer tokenizer = Tokenizer.load(CASES.resolve(name).resolve(folder))) {
      for (JsonElement element : vectors) {
        JsonObject vector = element.getAsJsonObject();
        String text = vector.get("text").getAsString();
        int[] ids = TestData.ints(vector.get("ids"));
        assertArrayEquals(ids, tokenizer.encode(text, true), text);
        assertEquals(vector.get("decoded").getAsString(), tokenizer.decode(ids, true), text);
        if (vector.has("decoded_with_special")) {
          assertEquals(vector.get("decoded_with_special").getAsString(), tokenizer.decode(ids, false), text);
        }
      }
    }
    assertEquals(0, Vila.liveObjectCount(), () -> Vila.liveObjects().toString());
  }

  @Test
  void pieces() {
    try (Tokenizer tokenizer = Tokenizer.load(TestData.model("vila15-llama3-siglip"))) {
      int bos = tokenizer.bosId().orElseThrow();
      assertEquals("<|begin_of_text|>", tokenizer.idToToken(bos));
      assertEquals(OptionalInt.of(bos), tokenizer.tokenToId("<|begin_of_text|>"));
      assertEquals(OptionalInt.empty(), tokenizer.tokenToId("no such piece"));
      assertTrue(tokenizer.vocabSize() > bos);
      InvalidArgumentException outside =
          assertThrows(InvalidArgumentException.class, () -> tokenizer.decode(new int[] {tokenizer.vocabSize()}, true));
      assertTrue(outside.getMessage().contains(Integer.toString(tokenizer.vocabSize())), outside.getMessage());
    }
  }

  @Test
  void unpairedSurrogatesAreRefused() {
    try (Tokenizer tokenizer = Tokenizer.load(TestData.model("vila10-clip-linear"))) {
      for (String text : new String[] {"ab\uD83D", "ab\uDE00c", "ab\uD83D\uD83D\uDE00"}) {
        InvalidArgumentException refused = assertThrows(InvalidArgumentException.class, () -> tokenizer.encode(text, true));
        assertEquals(
            String.format("text: unpaired surrogate U+%04X at index 2; expected well-formed UTF-16", (int) text.charAt(2)),
            refused.getMessage());
      }
    }
  }

  @Test
  void nulCharactersSurvive() {
    try (Tokenizer tokenizer = Tokenizer.load(TestData.model("vila15-llama3-siglip"))) {
      String text = "a\0b\0";
      assertEquals(text, tokenizer.decode(tokenizer.encode(text, false), true));
    }
  }

  @Test
  void missingFolder() {
    NotFoundException missing = assertThrows(NotFoundException.class, () -> Tokenizer.load(Path.of("/no/such/folder")));
    assertEquals(ErrorCode.NOT_FOUND, missing.code());
    assertTrue(missing.getMessage().contains("/no/such/folder"), missing.getMessage());
  }
}
