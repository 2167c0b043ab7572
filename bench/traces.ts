import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { startReceiver } from "../testing/trace/own-receiver.ts";
import { createInTurn, rowInTurn } from "./apiserver/in-turn.ts";
import type { Row } from "./benchmark.ts";

/** 1 %. */
const SAMPLING_PER_MILLION = 10_000;

/** Measures what traces of 1 % of all requests cost, with a receiver that takes them. */
export async function traces(): Promise<Row[]> {
  const receiver = await startReceiver();
  try {
    const found = await createInTurn((dir) => {
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
    });
    const what = "create pods, 50 in flight, traces of 1 %";
    process.stderr.write(`${receiver.spans().length} spans were received\n`);
    return [
      rowInTurn(what, "/s", "create", ">= 0.98x", found),
      rowInTurn(
        "the same: CPU time of server and store for each",
        "ms",
        "create_cpu",
        "<= 1.02x",
        found,
      ),
    ];
  } finally {
    await receiver.close();
  }
}
