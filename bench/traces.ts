import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { startReceiver } from "../testing/trace/own-receiver.ts";
import { createInTurn, rowInTurn } from "./apiserver/in-turn.ts";
import type { Measurements } from "./apiserver/phases.ts";
import { quantile, type Row } from "./benchmark.ts";
import { spanCode, UNDISTURBED } from "./traces/span-code.ts";

const leastCpu_us = (rounds: readonly Measurements[]): number =>
  1_000 *
  quantile(
    rounds.map((each) => each["create_cpu"]!),
    UNDISTURBED,
  );

/** Rounds that find the CPU time of a create alone. */
const CREATES_ROUNDS = 20;
/** 1 %. */
const SAMPLING_PER_MILLION = 10_000;

/**
 * Measures what traces of 1 % of all requests cost, with a receiver that takes them; with the
 * argument `code`, only the row of the code of spans, which other programs disturb least.
 */
export async function traces([only]: readonly string[]): Promise<Row[]> {
  const receiver = await startReceiver();
  try {
    const flagsIn = (dir: string) => {
      const file = join(dir, "tracing.json");
      const { endpoint } = receiver;
      writeFileSync(
        file,
        JSON.stringify({
          apiVersion: "apiserver.config.k8s.io/v1",
          kind: "TracingConfiguration",
          endpoint,
          samplingRatePerMillion: SAMPLING_PER_MILLION,
        }),
      );
      return { "tracing-config-file": file };
    };
    const found = await createInTurn(flagsIn, ...(only === "code" ? [CREATES_ROUNDS] : []));
    const what = "create pods, 50 in flight, traces of 1 %";
    process.stderr.write(`${receiver.spans().length} spans were received\n`);
    const code: Row = {
      what: "CPU time of the code of spans in a create, beside that of a whole one without",
      unit: "us",
      goal: "<= 0.02x",
      ours: await spanCode(receiver.endpoint, SAMPLING_PER_MILLION),
      peer: { name: "a create", value: leastCpu_us(found[1]!) },
    };
    if (only === "code") return [code];
    return [
      rowInTurn(what, "/s", "create", ">= 0.98x", found),
      rowInTurn(
        "the same: CPU time of server and store for each",
        "ms",
        "create_cpu",
        "<= 1.02x",
        found,
      ),
      code,
    ];
  } finally {
    await receiver.close();
  }
}
