import { expect, it } from "vitest";
import { runContract } from "./contract.ts";
import { readLabs } from "./manifest.ts";

it("a suite of which no test runs is not passed", async () => {
  const lab = readLabs().find(({ number }) => number === "17")!;
  const contract = { ...lab.contract!, only: "what only root may run" };
  const { passed, output } = await runContract({ ...lab, contract }, []);
  expect(output).toContain("no test passed");
  expect(passed).toBe(false);
});
