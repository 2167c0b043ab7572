import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { check } from "../check.ts";
import { judge } from "../judge.ts";
import { mustPass } from "../must.ts";
import { ROOT_DIR } from "../runner/paths.ts";
import { withDriver } from "./driver.ts";

/** Built by `npm run peers -- csi-sanity`, where there is Go. */
const CSI_SANITY = join(ROOT_DIR, ".peers/bin/csi-sanity");

if (existsSync(CSI_SANITY)) {
  check("csi-sanity: the specs that judge every vendor's driver", () =>
    withDriver(async (driver) => {
      await mustPass(driver.identity.getPluginInfo({}), {
        when: "GetPluginInfo", expected: "a name", why: "csi-sanity asks for it first",
      });
      const words = [
        `-csi.endpoint=unix://${driver.socket}`,
        `-csi.mountdir=${driver.path("mount")}`,
        `-csi.stagingdir=${driver.path("staging")}`,
        "--ginkgo.no-color",
        "--ginkgo.fail-fast",
      ];
      const ended = promisify(execFile)(CSI_SANITY, words, { maxBuffer: 1 << 24 });
      const { stdout } = await ended.catch((failure: unknown) => failure as { stdout: string });
      const [, failed = ""] = /\[FAIL\] (.*)/.exec(stdout) ?? [];
      const reason = /\[FAILED\] (.*\n.*)/.exec(stdout)?.[1] ?? "";
      const unwritten = /lab 16: \w+ is not written yet/.exec(stdout)?.[0];
      if (unwritten) throw new Error(unwritten);
      judge(failed === "", {
        when: failed,
        expected: "this spec passes",
        happened: reason.replaceAll("\n", " ").trim(),
        why: "a cluster's sidecars and kubelets rely on it with any driver",
      });
    }),
  );
}
