// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.shapes;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;

/**
 * Prompts that only their own examples explain: {@code <image>label} lines and a last image without its label.
 *
 * <p>In half of the prompts with made-up labels everything but the property that decides is constant, and what else varies
 * (place, size, paper, noise) does not matter. In the other half colour varies where shape decides and shape where colour does,
 * never so that following it would give another consistent answer.
 */
final class FewShot {
  private final Rng rng;
  private final SceneMaker maker;

  FewShot(Rng rng, SceneMaker maker) {
    this.rng = rng;
    this.maker = maker;
  }

  private static Item item(Task task, List<Scene> scenes, List<String> labels) {
    StringBuilder question = new StringBuilder();
    for (int i = 0; i + 1 < scenes.size(); i++) {
      question.append(Item.MARK).append(labels.get(i)).append('\n');
    }
    question.append(Item.MARK);
    return new Item(task, scenes, List.of(new Turn(question.toString(), labels.get(labels.size() - 1))));
  }

  /** Classes 0 to {@code classes} - 1 in any order, each at least once, for the examples; then that of the last image. */
  private List<Integer> classesOf(int shots, int classes) {
    List<Integer> order = new ArrayList<>();
    for (int i = 0; i < shots; i++) {
      order.add(i < classes ? i : rng.below(classes));
    }
    order = rng.shuffled(order);
    order.add(rng.below(classes));
    return order;
  }

  /** Made-up labels that stand for a shape, a colour, a texture or a number. */
  Item label(Task task, int shots) {
    int kind = rng.below(20);
    boolean byTexture = kind == 16 || kind == 17;
    int classes = shots < 4 ? 2 : rng.between(2, shots < 6 || byTexture ? 3 : 4);
    List<String> names = rng.shuffled(Words.LABELS).subList(0, classes);
    List<Integer> order = classesOf(shots, classes);
    List<Scene> scenes = kind < 16 ? byLooks(order, classes, kind < 8) : byTexture ? byTexture(order) : byNumber(order, classes);
    return item(task, scenes, order.stream().map(names::get).toList());
  }

  private List<Scene> byLooks(List<Integer> order, int classes, boolean byColour) {
    boolean mixed = rng.chance(0.5);
    while (true) {
      List<Thing> kinds = kinds(classes, byColour);
      List<Thing> things = new ArrayList<>();
      for (int index : order) {
        Thing kind = kinds.get(index);
        things.add(
            maker.thing(
                t -> byColour
                    ? t.colour() == kind.colour() && (mixed || t.shape() == kind.shape())
                    : t.shape() == kind.shape() && (mixed || t.colour() == kind.colour())));
      }
      Function<Thing, Object> other = byColour ? Thing::shape : Thing::colour;
      if (!mixed || !misleads(things, order, other)) {
        return things.stream().map(thing -> maker.scene(List.of(thing))).toList();
      }
    }
  }

  /** A thing per class, alike but for the property that decides, none of a pair that this part of the world lacks. */
  private List<Thing> kinds(int classes, boolean byColour) {
    while (true) {
      Thing base = maker.thing();
      List<Thing> kinds = new ArrayList<>(List.of(base));
      for (int attempt = 0; attempt < 200 && kinds.size() < classes; attempt++) {
        Thing next = maker.thing();
        boolean alike = byColour ? next.shape() == base.shape() : next.colour() == base.colour();
        boolean isNew = kinds.stream().noneMatch(k -> byColour ? k.colour() == next.colour() : k.shape() == next.shape());
        if (alike && isNew) {
          kinds.add(next);
        }
      }
      if (kinds.size() == classes) {
        return kinds;
      }
    }
  }

  /** Whether the last thing has a value of a property that was seen with one wrong label only. */
  private static boolean misleads(List<Thing> things, List<Integer> order, Function<Thing, Object> property) {
    int last = things.size() - 1;
    boolean withOther = false;
    for (int i = 0; i < last; i++) {
      if (property.apply(things.get(i)).equals(property.apply(things.get(last)))) {
        if (order.get(i).equals(order.get(last))) {
          return false;
        }
        withOther = true;
      }
    }
    return withOther;
  }

  private List<Scene> byTexture(List<Integer> order) {
    Thing base = maker.thing();
    List<Texture> textures = rng.shuffled(List.of(Texture.values()));
    return order.stream()
        .map(textures::get)
        .map(texture -> maker.thing(t -> t.colour() == base.colour() && t.shape() == base.shape() && t.texture() == texture))
        .map(thing -> maker.scene(List.of(thing)))
        .toList();
  }

  private List<Scene> byNumber(List<Integer> order, int classes) {
    Thing base = maker.thing();
    List<Integer> numbers = rng.shuffled(List.of(1, 2, 3, 5)).subList(0, classes);
    return order.stream()
        .map(index -> maker.scene(numbers.get(index), t -> t.colour() == base.colour() && t.shape() == base.shape()))
        .toList();
  }

  /** The name of the same property of each image. */
  Item rule(Task task, int shots) {
    int kind = rng.below(4);
    List<Scene> scenes = new ArrayList<>();
    List<String> answers = new ArrayList<>();
    for (int i = 0; i <= shots; i++) {
      Scene scene = maker.scene(kind == 3 ? rng.between(1, 4) : 1);
      Thing thing = scene.things().get(0);
      scenes.add(scene);
      answers.add(
          switch (kind) {
            case 0 -> thing.colour().word();
            case 1 -> thing.shape().word();
            case 2 -> thing.texture().word();
            default -> Integer.toString(scene.things().size());
          });
    }
    return item(task, scenes, answers);
  }
}
