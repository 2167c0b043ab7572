import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { expect, it } from "vitest";
import { LABS_DIR } from "./paths.ts";
import type { CheckEvent, Ended } from "./run-checks.ts";
import { cacheFolder } from "./workspace.ts";

/** The ends of checks with these bodies, which run concurrently, in their order. */
async function endsOf(bodies: Readonly<Record<string, string>>): Promise<Ended[]> {
  const folder = mkdtempSync(join(cacheFolder(), "labs-waiting-"));
  try {
    const file = join(folder, "own.check.ts");
    const imports = Object.entries({
      [join(LABS_DIR, "check.ts")]: "check, stillAtWork",
      [join(LABS_DIR, "must.ts")]: "mustPass",
      [join(LABS_DIR, "idle-clock.ts")]: "idleClock",
      "@raft2kube/std/errors.ts": "CodedError",
      "@raft2kube/std/wait.ts": "delay",
    }).map(([file, words]) => `import { ${words} } from ${JSON.stringify(file)};`);
    const checks = Object.entries(bodies).map(([title, body]) => {
      return `check(${JSON.stringify(title)}, async () => { ${body} });`;
    });
    writeFileSync(file, [...imports, ...checks].join("\n"));
    const child = spawn(process.execPath, [join(LABS_DIR, "runner/run-checks.ts"), file], {
      stdio: ["ignore", "ignore", "inherit", "pipe"],
      env: { ...process.env, R2K_LAB_OPTIONS: JSON.stringify({ atOnce: 2 }) },
    });
    const lines = (await text(child.stdio[3] as Readable)).split("\n").filter(Boolean);
    const events = lines.map((line) => JSON.parse(line) as CheckEvent);
    return events.filter((event) => event.kind === "ended");
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const judging = (when: string) => JSON.stringify({ when, expected: "it resolves", why: "why" });

it.concurrent(
  "a check that waits while nothing is at work ends after 5 s and names what it " +
    "awaits, whatever one beside it does",
  async ({ expect }) => {
    const [first, second] = await endsOf({
      hangs: `await mustPass(new Promise(() => undefined), ${judging("the third append")});`,
      goesOn: `
      const steps = async () => {
        for (let step = 0; step < 70; step++) {
          await delay(idleClock, 100);
          stillAtWork();
        }
      };
      await mustPass(steps(), ${judging("the steps of another")});
    `,
    });
    expect(first).toMatchObject({ title: "hangs", result: "failed" });
    expect(first?.message).toMatch(/^the third append\n.*: a step has not ended in 5 s,/);
    expect(second).toMatchObject({ title: "goesOn", result: "passed" });
  },
);

/** Processor time after which a loop ends by itself: it has not been judged. */
const LOOP_PROCESSOR_S = 20;

it.concurrent(
  "a check that loops beside one whose steps end is judged while that one " + "goes on",
  async ({ expect }) => {
    const [first, second] = await endsOf({
      loops: `
      const loop = async () => {
        const isLong = () => process.cpuUsage().user / 1_000_000 > ${LOOP_PROCESSOR_S};
        while (!isLong()) await new Promise((resolve) => setImmediate(resolve));
      };
      await mustPass(loop(), ${judging("the answer")});
    `,
      goesOn: `
      for (let step = 0; step < 55; step++) {
        await delay(idleClock, 100);
        stillAtWork();
      }
    `,
    });
    expect(first).toMatchObject({ title: "loops", result: "failed" });
    expect(first?.message).toMatch(/^the answer\n.*: a step has not ended in 5 s,/);
    expect(second).toMatchObject({ title: "goesOn", result: "passed" });
  },
);

it("a coded error that no check asks for is shown as a refusal, any other as a crash", async () => {
  const [refused, crashed] = await endsOf({
    refuses: `throw new CodedError("IN_USE", "10.88.0.1 is another's");`,
    crashes: "undefined.read();",
  });
  expect(refused?.message).toMatch(/happened: +a refusal: IN_USE: 10\.88\.0\.1 is another's\n/);
  expect(crashed?.message).toMatch(/happened: +an error that no part expects: TypeError/);
});
