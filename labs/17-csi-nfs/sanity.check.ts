import { execFile } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { requireSubDir } from "@raft2kube/csi/drivers/nfs/sub-dir.ts";
import { check } from "../check.ts";
import { judge } from "../judge.ts";
import { ROOT_DIR } from "../runner/paths.ts";
import { PARAMETERS, withDriver } from "./driver.ts";

/** Built by `npm run peers -- csi-sanity`, where there is Go. */
const CSI_SANITY = join(ROOT_DIR, ".peers/bin/csi-sanity");

if (existsSync(CSI_SANITY)) {
  check("csi-sanity: the specs that judge every vendor's driver", () =>
    withDriver(async (driver) => {
      requireSubDir("subDir", "csi-sanity");
      const parameters = driver.path("parameters.json");
      writeFileSync(parameters, JSON.stringify(PARAMETERS));
      const words = [
        `-csi.endpoint=unix://${driver.socket}`,
        `-csi.mountdir=${driver.path("mount")}`,
        `-csi.stagingdir=${driver.path("staging")}`,
        `-csi.testvolumeparameters=${parameters}`,
        "--ginkgo.no-color",
        "--ginkgo.fail-fast",
      ];
      const ended = promisify(execFile)(CSI_SANITY, words, { maxBuffer: 1 << 24 });
      const { stdout } = await ended.catch((failure: unknown) => failure as { stdout: string });
      const [, failed = ""] = /\[FAIL\] (.*)/.exec(stdout) ?? [];
      const reason = /\[FAILED\] (.*\n.*)/.exec(stdout)?.[1] ?? "";
      const unwritten = /lab 17: \w+ is not written yet/.exec(stdout)?.[0];
      if (unwritten) throw new Error(unwritten);
      judge(failed === "" && /[1-9]\d* Passed/.test(stdout), {
        when: failed || "csi-sanity",
        expected: "this spec passes",
        happened: reason.replaceAll("\n", " ").trim() || stdout.slice(-500),
        why: "a cluster's sidecars and kubelets rely on it with any driver",
      });
    }),
  );
}
