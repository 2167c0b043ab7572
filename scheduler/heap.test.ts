import { randomInteger, seededRandom } from "@raft2kube/std/random.ts";
import { expect, test } from "vitest";
import { Heap } from "./heap.ts";

test("pops in the order of a sorted list, through pushes, replacements and removals", () => {
  for (let seed = 1; seed <= 50; seed++) {
    const random = seededRandom(seed);
    const heap = new Heap<{ key: string; value: number }>(
      (item) => item.key,
      (a, b) => a.value < b.value,
    );
    const model = new Map<string, number>();
    for (let step = 0; step < 300; step++) {
      const key = String(randomInteger(random, 0, 40));
      if (random.next() < 0.6) {
        const value = randomInteger(random, 0, 1_000_000);
        heap.push({ key, value });
        model.set(key, value);
      } else if (random.next() < 0.5) {
        expect(heap.remove(key)?.value, `seed ${seed}`).toBe(model.get(key));
        model.delete(key);
      } else {
        const least = Math.min(...model.values());
        const popped = heap.pop();
        expect(popped?.value ?? Infinity, `seed ${seed}`).toBe(least);
        if (popped) model.delete(popped.key);
      }
      expect(heap.size, `seed ${seed}`).toBe(model.size);
    }
  }
});
