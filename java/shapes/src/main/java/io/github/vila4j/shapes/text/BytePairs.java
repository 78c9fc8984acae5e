// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.shapes.text;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A byte-level byte-pair tokenizer: the bytes are the first 256 ids, then come the merges in their order, then the special tokens.
 * Immutable, but for a memory of words; thread-safe.
 *
 * <p>The form is that of GPT-2 (Radford et al., "Language Models are Unsupervised Multitask Learners", 2019): each byte has a
 * printable character, a text is cut by {@link #PATTERN}, and each piece is merged on its own.
 */
public final class BytePairs {
  /** How text is cut: words and single digits, each with the space before it; marks; line ends and other space. */
  public static final String PATTERN = " ?\\p{L}+| ?\\p{N}| ?[^\\s\\p{L}\\p{N}]|\\s";

  private static final Pattern PIECES = Pattern.compile(PATTERN);
  private static final String[] CHARACTERS = characters();

  private final List<String> tokens = new ArrayList<>();
  private final Map<String, Integer> ids = new HashMap<>();
  private final List<String> merges;
  private final Map<String, Integer> ranks = new HashMap<>();
  private final List<String> specials;
  private final Pattern special;
  private final Map<String, int[]> known = new ConcurrentHashMap<>();

  /**
   * A tokenizer with these merges.
   *
   * @param merges pairs of tokens, each as {@code "left right"}, in the order of their use
   * @param specials texts that are one token each, in the order of their ids
   */
  public BytePairs(List<String> merges, List<String> specials) {
    this.merges = List.copyOf(merges);
    this.specials = List.copyOf(specials);
    Arrays.stream(CHARACTERS).sorted().forEach(this::add);
    for (String merge : merges) {
      ranks.put(merge, ranks.size());
      add(merge.replace(" ", ""));
    }
    specials.forEach(this::add);
    special = Pattern.compile(String.join("|", specials.stream().map(Pattern::quote).toList()));
  }

  private void add(String token) {
    if (ids.putIfAbsent(token, tokens.size()) == null) {
      tokens.add(token);
    }
  }

  /** The printable character of each byte. */
  private static String[] characters() {
    String[] result = new String[256];
    int next = 256;
    for (int b = 0; b < 256; b++) {
      boolean printable = b >= '!' && b <= '~' || b >= 0xA1 && b <= 0xAC || b >= 0xAE;
      result[b] = Character.toString(printable ? b : next++);
    }
    return result;
  }

  private static List<String> symbols(String piece) {
    List<String> symbols = new ArrayList<>();
    for (byte b : piece.getBytes(StandardCharsets.UTF_8)) {
      symbols.add(CHARACTERS[b & 0xFF]);
    }
    return symbols;
  }

  /**
   * Learns merges from texts: always the most frequent pair of neighbours within a piece, of equals the first in order of letters.
   *
   * @param texts what to learn from; special tokens in them are nothing special
   * @param count the most merges
   * @param least how often a pair must occur
   * @param specials the special tokens of the tokenizer
   * @return the tokenizer
   */
  public static BytePairs learn(Iterable<String> texts, int count, int least, List<String> specials) {
    Map<String, Integer> pieces = new TreeMap<>();
    for (String text : texts) {
      Matcher matcher = PIECES.matcher(text);
      while (matcher.find()) {
        pieces.merge(matcher.group(), 1, Integer::sum);
      }
    }
    Map<List<String>, Integer> words = new LinkedHashMap<>();
    pieces.forEach((piece, times) -> words.put(symbols(piece), times));
    List<String> merges = new ArrayList<>();
    while (merges.size() < count) {
      Map<String, Integer> pairs = new TreeMap<>();
      words.forEach(
          (word, times) -> {
            for (int i = 0; i + 1 < word.size(); i++) {
              pairs.merge(word.get(i) + " " + word.get(i + 1), times, Integer::sum);
            }
          });
      String best = null;
      for (Map.Entry<String, Integer> pair : pairs.entrySet()) {
        if (pair.getValue() >= least && (best == null || pair.getValue() > pairs.get(best))) {
          best = pair.getKey();
        }
      }
      if (best == null) {
        break;
      }
      merges.add(best);
      String merge = best;
      Map<List<String>, Integer> merged = new LinkedHashMap<>();
      words.forEach((word, times) -> merged.merge(merged(word, merge), times, Integer::sum));
      words.clear();
      words.putAll(merged);
    }
    return new BytePairs(merges, specials);
  }

  private static List<String> merged(List<String> word, String pair) {
    List<String> result = new ArrayList<>();
    for (int i = 0; i < word.size(); i++) {
      if (i + 1 < word.size() && pair.equals(word.get(i) + " " + word.get(i + 1))) {
        result.add(word.get(i) + word.get(++i));
      } else {
        result.add(word.get(i));
      }
    }
    return result;
  }

  /**
   * Text to ids; special tokens that are written in the text become their ids.
   *
   * @param text any text
   * @return the ids
   */
  public int[] encode(String text) {
    List<Integer> result = new ArrayList<>();
    Matcher matcher = special.matcher(text);
    int from = 0;
    while (!specials.isEmpty() && matcher.find()) {
      encodePlain(text.substring(from, matcher.start()), result);
      result.add(ids.get(matcher.group()));
      from = matcher.end();
    }
    encodePlain(text.substring(from), result);
    return result.stream().mapToInt(Integer::intValue).toArray();
  }

  private void encodePlain(String text, List<Integer> result) {
    Matcher matcher = PIECES.matcher(text);
    while (matcher.find()) {
      for (int id : known.computeIfAbsent(matcher.group(), this::encodePiece)) {
        result.add(id);
      }
    }
  }

  private int[] encodePiece(String piece) {
    List<String> word = symbols(piece);
    while (true) {
      String best = null;
      for (int i = 0; i + 1 < word.size(); i++) {
        String pair = word.get(i) + " " + word.get(i + 1);
        if (ranks.containsKey(pair) && (best == null || ranks.get(pair) < ranks.get(best))) {
          best = pair;
        }
      }
      if (best == null) {
        return word.stream().mapToInt(ids::get).toArray();
      }
      word = merged(word, best);
    }
  }

  /**
   * Ids to text, special tokens left out.
   *
   * @param tokenIds ids below {@link #size()}
   * @return the text
   */
  public String decode(int[] tokenIds) {
    Map<String, Integer> bytes = new HashMap<>();
    for (int b = 0; b < 256; b++) {
      bytes.put(CHARACTERS[b], b);
    }
    StringBuilder joined = new StringBuilder();
    for (int id : tokenIds) {
      if (!specials.contains(tokens.get(id))) {
        joined.append(tokens.get(id));
      }
    }
    byte[] raw = new byte[joined.length()];
    for (int i = 0; i < raw.length; i++) {
      raw[i] = (byte) (int) bytes.get(joined.substring(i, i + 1));
    }
    return new String(raw, StandardCharsets.UTF_8);
  }

  /**
   * The number of ids.
   *
   * @return above 256
   */
  public int size() {
    return tokens.size();
  }

  /**
   * The id of a token in its printable form.
   *
   * @param token a token
   * @return its id
   */
  public int id(String token) {
    return ids.get(token);
  }

  /**
   * The tokens in the order of their ids, special tokens last.
   *
   * @return printable forms
   */
  public List<String> tokens() {
    return List.copyOf(tokens);
  }

  /**
   * The merges in their order.
   *
   * @return each as {@code "left right"}
   */
  public List<String> merges() {
    return merges;
  }

  /**
   * The special tokens in the order of their ids.
   *
   * @return their texts
   */
  public List<String> specials() {
    return specials;
  }
}
