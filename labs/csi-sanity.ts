import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { check } from "./check.ts";
import { judge } from "./judge.ts";
import { ROOT_DIR } from "./runner/paths.ts";

/** Program that `npm run peers -- csi-sanity` builds, where there is Go. */
const CSI_SANITY = join(ROOT_DIR, ".peers/bin/csi-sanity");
const NOT_BUILT = "csi-sanity is not built: npm run peers -- csi-sanity (takes Go)";
const OUTPUT_BYTES_MAX = 1 << 24;

interface Driver {
  readonly socket: string;
  /** A path in the driver's own folder. */
  path(name: string): string;
}

/** Adds the check that runs csi-sanity on a reader's driver; left out until it is built. */
export function checkSanity<D extends Driver>(
  withDriver: (body: (driver: D) => Promise<void>) => Promise<void>,
  prepare: (driver: D) => Promise<readonly string[]> | readonly string[],
): void {
  const leftOut = existsSync(CSI_SANITY) ? undefined : NOT_BUILT;
  const body = () =>
    withDriver(async (driver) => {
      const words = [
        `-csi.endpoint=unix://${driver.socket}`,
        `-csi.mountdir=${driver.path("mount")}`,
        `-csi.stagingdir=${driver.path("staging")}`,
        ...(await prepare(driver)),
        "--ginkgo.no-color",
        "--ginkgo.fail-fast",
      ];
      const ended = promisify(execFile)(CSI_SANITY, words, { maxBuffer: OUTPUT_BYTES_MAX });
      const { stdout } = await ended.catch((failure: unknown) => failure as { stdout: string });
      const [, failed = ""] = /\[FAIL\] (.*)/.exec(stdout) ?? [];
      const reason = /\[FAILED\] (.*\n.*)/.exec(stdout)?.[1] ?? "";
      const unwritten = /lab \d+: \w+ is not written yet/.exec(stdout)?.[0];
      if (unwritten) throw new Error(unwritten);
      judge(failed === "" && /[1-9]\d* Passed/.test(stdout), {
        when: failed || "csi-sanity",
        expected: "this spec passes",
        happened: reason.replaceAll("\n", " ").trim() || stdout.slice(-500),
        why: "a cluster's sidecars and kubelets rely on it with any driver",
      });
    });
  check("csi-sanity: the specs that judge every vendor's driver", body, { leftOut });
}
