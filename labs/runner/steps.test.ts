import { expect, test } from "vitest";
import { findLab } from "./manifest.ts";
import { judgeSteps, namespaceOf } from "./steps.ts";

test("a failed step shows its command as a reader can run it", async () => {
  const lab = findLab("22");
  const env = { R2K_CLUSTER: "readers" };
  const shell = async () => "0";
  const { outcomes } = await judgeSteps(lab, { folder: "my", env, shell, patience_ms: 0 });
  const messages = outcomes.map(({ message }) => message).join("\n");
  expect(messages).toContain(`kubectl -n ${namespaceOf(lab)} get configmaps`);
  expect(messages).toContain("./r2k status --name readers");
});
