// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.shapes;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** Makes items up. Not thread-safe; the same seed gives the same items. */
public final class Items {
  private final Rng rng;
  private final SceneMaker maker;
  private final FewShot fewShot;

  private Items(Rng rng, SceneMaker.Pairs pairs) {
    this.rng = rng;
    maker = new SceneMaker(rng, pairs);
    fewShot = new FewShot(rng, maker);
  }

  /**
   * An item of the fixed set.
   *
   * @param split validation or test
   * @param task what it tests
   * @param index its number, from 0
   * @return always the same item
   */
  public static Item of(Split split, Task task, int index) {
    return begin(split, task.ordinal(), index).make(task);
  }

  /**
   * Begins to make items from a seed of its own.
   *
   * @param split which part of the world
   * @param stream the run or stage
   * @param index the number of the seed there
   * @return a maker
   */
  public static Items begin(Split split, long stream, long index) {
    SceneMaker.Pairs pairs = split == Split.TEST ? SceneMaker.Pairs.MORE_HELD_OUT : SceneMaker.Pairs.DRAWN;
    return new Items(new Rng(split.seed(stream, index)), pairs);
  }

  /**
   * Begins to make items with all pairs of colour and shape alike, for scenes that are put into words and never drawn.
   *
   * @param split which part of the world
   * @param stream the run or stage
   * @param index the number of the seed there
   * @return a maker
   */
  public static Items beginTold(Split split, long stream, long index) {
    return new Items(new Rng(split.seed(stream, index)), SceneMaker.Pairs.ALL);
  }

  /**
   * The random numbers behind the items.
   *
   * @return the generator, in use
   */
  public Rng rng() {
    return rng;
  }

  /**
   * An item of a task.
   *
   * @param task the task
   * @return a new item
   */
  public Item make(Task task) {
    return switch (task) {
      case CAPTION -> ask(task, () -> maker.scene(rng.between(1, 3)), scene -> Questions.caption(rng, scene));
      case VQA_COLOUR -> ask(task, () -> maker.scene(rng.between(1, 5)), scene -> Questions.colour(rng, scene));
      case VQA_SHAPE -> ask(task, () -> maker.scene(rng.between(1, 5)), scene -> Questions.shape(rng, scene));
      case VQA_COUNT -> count();
      case VQA_WHERE -> ask(task, () -> maker.scene(rng.between(1, 5)), scene -> Questions.where(rng, scene));
      case VQA_RELATION -> ask(task, () -> maker.scene(rng.between(2, 4)), scene -> Questions.relation(rng, scene));
      case VQA_LOOK -> ask(task, () -> maker.scene(rng.between(1, 4)), scene -> Questions.look(rng, scene));
      case VQA_READ -> ask(task, () -> maker.written(rng.below(3), maker.text()), scene -> Questions.read(rng, scene));
      case MULTI_SAME -> same();
      case MULTI_CHANGED -> changed();
      case MULTI_MORE -> more();
      case MULTI_ODD -> odd();
      case ICL_LABEL_0, ICL_LABEL_2, ICL_LABEL_4, ICL_LABEL_8 -> fewShot.label(task, task.shots());
      case ICL_RULE_0, ICL_RULE_2, ICL_RULE_4, ICL_RULE_8 -> fewShot.rule(task, task.shots());
      case CHAT -> chat();
      case TEXT_SUM -> new Item(task, List.of(), List.of(Facts.sum(rng)));
      case TEXT_FACT -> new Item(task, List.of(), List.of(Facts.fact(rng)));
      case TEXT_SCENE -> {
        Item told = make(rng.pick(Task.VQA_COLOUR, Task.VQA_SHAPE, Task.VQA_WHERE, Task.VQA_COUNT)).inWords();
        yield new Item(task, List.of(), told.turns());
      }
    };
  }

  /**
   * A conversation of several questions about one scene.
   *
   * @param questions at least 1
   * @param most the most things in it, 1 to 6
   * @return an item of the chat task
   */
  public Item conversation(int questions, int most) {
    Scene scene = most == 6 && rng.chance(0.3) ? count().scenes().get(0) : maker.any(most);
    List<Turn> turns = new ArrayList<>();
    while (turns.size() < questions) {
      turns.add(Questions.any(maker, scene));
    }
    return new Item(Task.CHAT, List.of(scene), marked(turns, 1));
  }

  /**
   * A conversation of several questions of how many there are in one scene.
   *
   * @param questions at least 1
   * @return an item of the chat task
   */
  public Item counted(int questions) {
    Scene scene = count().scenes().get(0);
    List<Turn> turns = new ArrayList<>();
    while (turns.size() < questions) {
      turns.add(Questions.count(rng, scene, maker));
    }
    return new Item(Task.CHAT, List.of(scene), marked(turns, 1));
  }

  /**
   * A conversation of several questions about the shapes in one scene that no answer needs a colour for.
   *
   * @param questions at least 1
   * @return an item of the chat task
   */
  public Item ofShapes(int questions) {
    Scene scene = count().scenes().get(0);
    List<Turn> turns = new ArrayList<>();
    while (turns.size() < questions) {
      turns.add(Questions.ofShapes(rng, scene, maker));
    }
    return new Item(Task.CHAT, List.of(scene), marked(turns, 1));
  }

  /**
   * A scene of any kind.
   *
   * @param most the most things in it, 1 to 6
   * @return a new scene
   */
  public Scene scene(int most) {
    return maker.any(most);
  }

  /**
   * Images with their labels by an unspoken rule, for documents.
   *
   * @param images at least 2
   * @return an item whose only question holds all images, a label and a line end after each but the last
   */
  public Item labelled(int images) {
    return rng.chance(0.7) ? fewShot.label(Task.ICL_LABEL_8, images - 1) : fewShot.rule(Task.ICL_RULE_8, images - 1);
  }

  /**
   * Short phrases, each with its made-up label, some of them again and again.
   *
   * @param phrases how many different ones, 2 to 9
   * @param count how many lines
   * @return a phrase and its label each
   */
  public List<Turn> recall(int phrases, int count) {
    List<String> labels = rng.shuffled(Words.LABELS);
    List<Turn> known = new ArrayList<>();
    while (known.size() < phrases) {
      Thing thing = maker.thing();
      String phrase = thing.colour().word() + " " + thing.shape().word();
      if (known.stream().noneMatch(turn -> turn.question().equals(phrase))) {
        known.add(new Turn(phrase, labels.get(known.size())));
      }
    }
    return IntStream.range(0, count).mapToObj(i -> rng.pick(known)).toList();
  }

  /** The turns, with the images before the first question or behind it. */
  private List<Turn> marked(List<Turn> turns, int images) {
    List<Turn> result = new ArrayList<>(turns);
    Turn first = turns.get(0);
    result.set(0, new Turn(Item.MARK.repeat(images) + "\n" + first.question(), first.answer()));
    return result;
  }

  private Item ask(Task task, Supplier<Scene> scenes, Function<Scene, Turn> question) {
    while (true) {
      Scene scene = scenes.get();
      Turn turn = question.apply(scene);
      if (turn != null) {
        return new Item(task, List.of(scene), marked(List.of(turn), 1));
      }
    }
  }

  /** What is counted: all things, those of a shape, or those of a colour. */
  private static Predicate<Thing> counted(int kind, Thing like) {
    return t -> kind == 0 || (kind == 1 ? t.shape() == like.shape() : t.colour() == like.colour());
  }

  private static String named(int kind, Thing like) {
    return kind == 0 ? "shapes" : kind == 1 ? like.shape().plural() : like.colour().word() + " shapes";
  }

  private Item count() {
    int wanted = rng.below(7);
    Thing like = maker.thing();
    int kind = rng.below(3);
    Predicate<Thing> counted = counted(kind, like);
    List<Thing> things = new ArrayList<>();
    while (things.size() < wanted) {
      things.add(maker.thing(counted));
    }
    int others = kind == 0 ? 0 : rng.below(Math.min(3, 7 - wanted) + 1);
    for (int i = 0; i < others; i++) {
      things.add(maker.thing(counted.negate()));
    }
    Turn turn = new Turn("How many " + named(kind, like) + " are there?", Integer.toString(wanted));
    return new Item(Task.VQA_COUNT, List.of(maker.scene(things)), marked(List.of(turn), 1));
  }

  /** The scene drawn anew, with one difference of the given kind. */
  private Scene altered(Scene scene, String kind) {
    List<Thing> things = new ArrayList<>(scene.things());
    int at = rng.below(things.size());
    Thing thing = things.get(at);
    switch (kind) {
      case "colour" -> {
        Thing other = maker.thing(t -> t.shape() == thing.shape() && t.colour() != thing.colour());
        things.set(at, thing.with(other.colour()));
      }
      case "shape" -> {
        Thing other = maker.thing(t -> t.colour() == thing.colour() && t.shape() != thing.shape());
        things.set(at, thing.with(other.shape()));
      }
      case "size" -> things.set(at, thing.with(!thing.large(), maker.radius(!thing.large())));
      case "place" -> things.set(at, thing.with(free(scene)));
      case "added" -> things.add(maker.thing().with(free(scene)));
      case "removed" -> things.remove(at);
      default -> throw new IllegalArgumentException("no change '" + kind + "'");
    }
    return scene.with(things, rng.nextLong());
  }

  private Place free(Scene scene) {
    while (true) {
      Place place = rng.pick(Place.values());
      if (scene.things().stream().noneMatch(thing -> thing.place() == place)) {
        return place;
      }
    }
  }

  private Item same() {
    Scene one = maker.scene(rng.between(1, 4));
    boolean same = rng.chance(0.5);
    String change = rng.pick("colour", "shape", "place", "added", "removed");
    Scene two = same ? one.with(one.things(), rng.nextLong()) : altered(one, change);
    Turn turn = new Turn("Are the two images the same or different?", same ? "same" : "different");
    return new Item(Task.MULTI_SAME, List.of(one, two), marked(List.of(turn), 2));
  }

  /**
   * A conversation about two images that are the same or differ in one way: whether they do, and if so in what.
   *
   * @return an item of the chat task
   */
  public Item compared() {
    boolean same = rng.chance(0.5);
    Item item = changed();
    Scene one = item.scenes().get(0);
    List<Turn> turns = new ArrayList<>();
    turns.add(new Turn("Are the two images the same or different?", same ? "same" : "different"));
    if (!same) {
      turns.add(new Turn("What changed?", item.expected()));
    }
    return new Item(Task.CHAT, same ? List.of(one, one.with(one.things(), rng.nextLong())) : item.scenes(), marked(turns, 2));
  }

  private Item changed() {
    Scene one = maker.scene(rng.between(1, 4));
    String kind = rng.pick("colour", "shape", "size", "place", "added", "removed");
    Turn turn = new Turn("What changed?", kind);
    return new Item(Task.MULTI_CHANGED, List.of(one, altered(one, kind)), marked(List.of(turn), 2));
  }

  private Item more() {
    int images = rng.between(2, 5);
    int kind = rng.below(3);
    Thing like = maker.thing();
    Predicate<Thing> counted = counted(kind, like);
    List<Integer> counts = rng.shuffled(List.of(0, 1, 2, 3, 4, 5)).subList(0, images);
    List<Scene> scenes = new ArrayList<>();
    for (int count : counts) {
      List<Thing> things = new ArrayList<>();
      while (things.size() < count) {
        things.add(maker.thing(counted));
      }
      for (int others = kind == 0 ? 0 : rng.below(3); others > 0; others--) {
        things.add(maker.thing(counted.negate()));
      }
      scenes.add(maker.scene(things));
    }
    int most = IntStream.range(0, images).boxed().max((a, b) -> counts.get(a) - counts.get(b)).orElseThrow();
    Turn turn = new Turn("Which image has the most " + named(kind, like) + "?", Words.ORDINALS.get(most));
    return new Item(Task.MULTI_MORE, scenes, marked(List.of(turn), images));
  }

  private Item odd() {
    int images = rng.between(3, 5);
    int at = rng.below(images);
    boolean byColour = rng.chance(0.5);
    Thing common = maker.thing();
    Thing odd =
        maker.thing(t -> byColour ? t.colour() != common.colour() && t.shape() == common.shape()
            : t.shape() != common.shape() && t.colour() == common.colour());
    List<Scene> scenes = new ArrayList<>();
    for (int i = 0; i < images; i++) {
      Thing like = i == at ? odd : common;
      scenes.add(maker.scene(List.of(maker.thing(t -> t.shape() == like.shape() && t.colour() == like.colour()))));
    }
    Turn turn = new Turn("Which image is the odd one out?", Words.ORDINALS.get(at));
    return new Item(Task.MULTI_ODD, scenes, marked(List.of(turn), images));
  }

  private Item chat() {
    while (true) {
      Scene scene = maker.scene(rng.between(2, 4));
      List<Thing> things =
          rng.shuffled(
              scene.things().stream()
                  .filter(t -> scene.things().stream().filter(o -> o.shape() == t.shape()).count() == 1)
                  .collect(Collectors.toList()));
      if (things.size() < 2) {
        continue;
      }
      Thing a = things.get(0);
      Thing b = things.get(1);
      List<Turn> turns = new ArrayList<>();
      if (rng.chance(0.6)) {
        turns.add(Questions.any(maker, scene));
      }
      switch (rng.below(3)) {
        case 0 -> {
          turns.add(new Turn("What colour is the " + a.shape().word() + "?", a.colour().word()));
          turns.add(new Turn("And the " + b.shape().word() + "?", b.colour().word()));
        }
        case 1 -> {
          turns.add(new Turn("Where is the " + a.shape().word() + "?", a.place().words()));
          turns.add(new Turn("And the " + b.shape().word() + "?", b.place().words()));
        }
        default -> {
          turns.add(new Turn("What shape is " + a.place().phrase() + "?", a.shape().word()));
          turns.add(new Turn("What colour is it?", a.colour().word()));
        }
      }
      return new Item(Task.CHAT, List.of(scene), marked(turns, 1));
    }
  }
}
