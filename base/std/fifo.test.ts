import { expect, test } from "vitest";
import { Fifo } from "./fifo.ts";
import { randomInteger, seededRandom } from "./random.ts";

test("items come out in the order in which they went in", () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  const random = seededRandom(seed);
  const fifo = new Fifo<number>();
  const model: number[] = [];
  for (let i = 0; i < 10_000; i++) {
    if (randomInteger(random, 0, 2) > 0) {
      fifo.push(i);
      model.push(i);
    } else if (randomInteger(random, 0, 3) > 0) {
      expect(fifo.shift(), `seed ${seed}`).toBe(model.shift());
    } else expect(fifo.pop(), `seed ${seed}`).toBe(model.pop());
    expect(fifo.length, `seed ${seed}`).toBe(model.length);
  }
  while (model.length > 0) expect(fifo.shift(), `seed ${seed}`).toBe(model.shift());
  expect(fifo.shift()).toBe(undefined);
});
