import { expect, test } from "vitest";
import { bundled } from "../../testing/guest-program.ts";
import { guestsMissing, runGuest, wallLimit_ms } from "./guest.ts";

// Takes turns, what this kernel may lack: see systemd.test.ts.

const TIMEOUT_MS = 170_000;
const missing = guestsMissing() ?? (process.getuid?.() === 0 ? undefined : "needs root");

type Look = { size_MiB: number; first: string };
interface Found {
  before: Look & { tooMuch: string };
  grown: (Look & { nodeExpansionRequired: boolean; capacity_MiB: number })[];
  after: object;
}

test.runIf(missing === undefined)(
  "a volume grows while it is mounted, where the kernel lets the driver, in a guest",
  async () => {
    const output = await runGuest({
      script: `${await bundled("guest/csi-in-guest")} 2>&1`,
      modules: ["loop"],
      memory_MiB: 1024,
      timeout_ms: TIMEOUT_MS,
    });
    const line = /^FOUND (.*)$/m.exec(output)?.[1];
    expect(line, output).toBeDefined();
    const { before, grown, after } = JSON.parse(line!) as Found;
    expect(before).toMatchObject({ first: "kept", tooMuch: "ENOSPC" });
    expect(before.size_MiB).toBeLessThanOrEqual(1);
    expect(grown.map(({ capacity_MiB }) => capacity_MiB)).toEqual([8, 8, 64]);
    for (const { size_MiB, capacity_MiB, first } of grown) {
      expect([first, size_MiB > 0.8 * capacity_MiB, size_MiB <= capacity_MiB], line).toEqual([
        "kept",
        true,
        true,
      ]);
    }
    expect(after).toEqual({ more: "written", tooMuch: "ENOSPC" });
  },
  wallLimit_ms(TIMEOUT_MS),
);
