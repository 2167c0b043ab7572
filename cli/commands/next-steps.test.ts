import { expect, test } from "vitest";
import { planCluster } from "../spec/config.ts";
import { nextSteps, timeTaken } from "./next-steps.ts";

const roots = { data: "/data", run: "/run" };
const kubeconfig = "/data/one/admin.conf";
const shown = { kubeconfig, demo: true, nfsDemo: false };

test("the time counts from the command's first line, and the installation apart", async () => {
  const config = await planCluster("one", roots, {}, []);
  const env = { R2K_BEFORE_S: "2.5", R2K_INSTALL_S: "30" };
  const took = timeTaken(5000, { uptime_s: 20, env });
  expect(took).toEqual({ took_s: 17.5, install_s: 35 });
  const text = nextSteps(config, { ...shown, took });
  expect(text).toContain("Ready in 17.5 s, after 35.0 s of installation. Node one-");
});

test("a start that installs nothing names no installation; a running cluster no time", async () => {
  const config = await planCluster("one", roots, {}, []);
  const took = timeTaken(0, { uptime_s: 9, env: { R2K_BEFORE_S: "0.25", R2K_INSTALL_S: "0" } });
  expect(nextSteps(config, { ...shown, took })).toContain("Ready in 9.3 s. Node");
  expect(timeTaken(0, { uptime_s: 9, env: {} })).toEqual({ took_s: 9, install_s: 0 });
  expect(nextSteps(config, { ...shown, took: undefined })).not.toContain("Ready in");
});
