import { expect, test } from "vitest";
import { runWithUsed, word } from "../../../testing/retained.ts";

const here = (file: string) => word(import.meta.dirname, file);
const MIB = 1024 * 1024;
const SPANS = 20;
const PROGRAM = `
  const { recentSpans } = await import(${here("recent-spans.ts")});
  const { parseTraceparent } = await import(${here("traceparent.ts")});
  const { Tracer } = await import(${here("tracer.ts")});
  const { systemClock } = await import(${here("../../std/clock.ts")});
  const { systemRandom } = await import(${here("../../std/random.ts")});
  const sink = recentSpans();
  const tracer = new Tracer({
    service: { name: "test" }, sink, samplingRatePerMillion: 1e6, clock: systemClock(),
    random: systemRandom,
  });
  const long = (start) => Buffer.from(start + "x".repeat(${MIB})).toString("utf8");
  const header = "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-";
  const before = await used();
  for (let at = 0; at < ${SPANS}; at++) {
    const span = tracer.start(long("a name of a client " + at), {
      links: [parseTraceparent(long(header + at))],
    });
    span.set({ long: long("an attribute " + at), part: long("the path of " + at).slice(0, 15) });
    span.fail(long("a failure " + at));
    span.end();
  }
  console.log(await used() - before, sink.recent().length);
`;

test("spans that are kept do not keep the texts that theirs were cut from", () => {
  const [grown, spans] = runWithUsed(PROGRAM).map(Number);
  expect(spans).toBe(SPANS);
  // Each of six texts has 1 MiB; V8 keeps the last that was matched.
  expect(grown).toBeLessThan((SPANS * MIB) / 2);
});
