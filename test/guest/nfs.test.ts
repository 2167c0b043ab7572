import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { bundle, EXTERNAL } from "../../scripts/build/bundle.ts";
import { guestsMissing, quoted, runGuest, wallLimit_ms } from "./guest.ts";
import { GANESHA, NFSD } from "./nfs-servers.ts";

// Takes turns, what this kernel may lack: see systemd.test.ts.

const ROOT = join(import.meta.dirname, "../..");
const TIMEOUT_MS = 300_000;
const MODULES = ["nfsv3", "nfsv4", "nfsd", "loop"];

const programs = ["/usr/bin/ganesha.nfsd", "/usr/sbin/rpc.nfsd", "/usr/sbin/rpcbind"];
const isPossible =
  process.env["R2K_NFS_SERVERS"] !== undefined &&
  guestsMissing() === undefined &&
  process.getuid?.() === 0 &&
  programs.every((program) => existsSync(program));

/** The command line of any other NFS driver, with DIR for its folder. */
const { R2K_NFS_DRIVER = "" } = process.env;

type Result = { title: string; fullName: string; status: string; failureMessages: string[] };
interface Report {
  numPassedTests: number;
  numFailedTests: number;
  testResults: { assertionResults: Result[] }[];
}

/**
 * Bundles the suite and returns the bundle's folder. A guest's system calls are slow: loading and
 * transforming its hundreds of sources took a third of the guest's time.
 */
async function bundledSuite(): Promise<string> {
  const outDir = ".cache/guest/nfs-suite";
  const share = "csi/drivers/nfs/share-process";
  const entries = { main: "test/guest/nfs-suite", [share]: share };
  await bundle({ outDir, entries, external: [...EXTERNAL, "vitest"] });
  return join(ROOT, outDir);
}

/**
 * Runs a part of the suite in a guest with a server of its own; what vitest reports of it.
 * `foreign`: the command line of the driver, else it is ours.
 */
async function inGuest(name: "ganesha" | "nfsd", part: string, foreign = "") {
  const folder = await bundledSuite();
  const config = join(import.meta.dirname, "nfs-suite.config.ts");
  const flags = `--root ${folder} --config ${config} --configLoader native --no-cache`;
  const vitest = `${process.execPath} ${ROOT}/node_modules/vitest/vitest.mjs run ${flags}`;
  const output = await runGuest({
    script: [
      (name === "ganesha" ? GANESHA : NFSD).start,
      `export R2K_NFS='${name} ${part}' R2K_ROOT=${ROOT} R2K_LOG=warn`,
      `export R2K_NFS_DRIVER=${quoted(foreign)}`,
      `${vitest} --maxWorkers=1 --reporter=json --outputFile=/run/report.json 2>&1`,
      "echo REPORT; cat /run/report.json",
    ].join("\n"),
    modules: MODULES,
    memory_MiB: 2048,
    timeout_ms: TIMEOUT_MS,
    ...(foreign !== "" && { folders: [dirname(foreign.split(" ")[0]!)] }),
  });
  const [, report] = /REPORT\r?\n(\{.*\})/.exec(output) ?? [];
  expect(report, output).toBeDefined();
  const { testResults, numPassedTests } = JSON.parse(report!) as Report;
  const all = testResults.flatMap(({ assertionResults }) => assertionResults);
  const failed = all
    .filter(({ status }) => status !== "passed")
    .map((result) => `${result.fullName}: ${result.failureMessages.join("\n")}`);
  const lines = all.map(lineOf).sort();
  return { output, failed, passed: numPassedTests, lines };
}

/** A rule, and the first line of how it was broken; the size of a snapshot varies. */
function lineOf({ title, status, failureMessages: [first = ""] }: Result): string {
  const why = first.split("\n")[0]!.replaceAll(/sizeBytes: \d+/g, "sizeBytes: N");
  return `${title}\n  ${status === "passed" ? "kept" : `broken: ${why}`}\n`;
}

describe.runIf(isPossible)("the NFS driver on servers", () => {
  test.each(["ganesha", "nfsd"] as const)(
    "%s keeps the contract, in a guest",
    async (name) => {
      const { failed, passed } = await inGuest(name, "contract");
      expect(failed).toEqual([]);
      expect(passed).toBeGreaterThan(15);
    },
    wallLimit_ms(TIMEOUT_MS),
  );
});

const CSI_SANITY = join(ROOT, ".peers/bin/csi-sanity");

describe.runIf(isPossible && existsSync(CSI_SANITY))("csi-sanity 5.4 on NFS", () => {
  test(
    "passes on ganesha, in a guest",
    async () => {
      const { failed, output } = await inGuest("ganesha", "sanity");
      expect(failed).toEqual([]);
      expect(output).toMatch(/SANITY \d+ Passed \| 0 Failed/);
    },
    wallLimit_ms(TIMEOUT_MS),
  );
});

describe.skipIf(!isPossible || R2K_NFS_DRIVER === "")("the driver of R2K_NFS_DRIVER", () => {
  const recorded = (name: string) => join(import.meta.dirname, "nfs-driver", name);

  test.each(["ganesha", "nfsd"] as const)(
    "answers on %s as recorded, in a guest",
    async (name) => {
      const { lines } = await inGuest(name, "foreign", R2K_NFS_DRIVER);
      await expect(lines.join("")).toMatchFileSnapshot(recorded("contract.txt"));
    },
    wallLimit_ms(TIMEOUT_MS),
  );

  test.skipIf(!existsSync(CSI_SANITY))(
    "answers csi-sanity as recorded, in a guest",
    async () => {
      const { output } = await inGuest("ganesha", "sanity", R2K_NFS_DRIVER);
      const found = [...output.matchAll(/SANITY (.*?)\r?$/gm)].map(([, line]) => line);
      expect(found).not.toEqual([]);
      await expect(`${found.join("\n")}\n`).toMatchFileSnapshot(recorded("sanity.txt"));
    },
    wallLimit_ms(TIMEOUT_MS),
  );
});
