import { expect, it } from "vitest";
import { inParts } from "./watch-sink.ts";

it("a large event is given in parts, each after the last has drained, whole and in order", () => {
  const given: Buffer[] = [];
  let drained = () => {};
  let resumed = 0;
  const sink = inParts({
    write: (bytes) => given.push(bytes) === 0,
    end: () => given.push(Buffer.from("end")),
    onDrain: (resume) => (drained = resume),
    offDrain: () => (drained = () => {}),
  });
  const resume = () => resumed++;
  sink.onDrain(resume);
  const event = Buffer.alloc(1_000_000, "abc");
  expect(sink.write(event)).toBe(false);
  expect(given).toHaveLength(1);
  while (resumed === 0) {
    expect(given.at(-1)!.length).toBeLessThanOrEqual(64 * 1024);
    drained();
    if (given.length > 100) break;
  }
  expect(Buffer.concat(given).equals(event)).toBe(true);
  expect(sink.write(Buffer.from("next"))).toBe(false);
  sink.end();
  expect(given.slice(-2).join()).toBe("next,end");
});
