import { expect, it } from "vitest";
import { guestsMissing, runGuest, wallLimit_ms } from "./guest.ts";

const TIMEOUT_MS = 60_000;

it.runIf(guestsMissing() === undefined)(
  "a guest ends with a panic of its kernel",
  async () => {
    const script = "echo before; echo c > /proc/sysrq-trigger; echo after";
    const output = await runGuest({ script, modules: [], memory_MiB: 128, timeout_ms: TIMEOUT_MS });
    expect(output).toMatch(/^before$[^]*Kernel panic - not syncing: sysrq triggered crash/m);
    expect(output).not.toContain("after");
  },
  wallLimit_ms(TIMEOUT_MS),
);
