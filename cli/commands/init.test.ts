import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { command } from "./init.ts";

test("a phase with --dry-run prints what it would do, and writes nothing", async () => {
  const dir = testFolder("r2k-dry-");
  const written = vi.spyOn(process.stdout, "write").mockReturnValue(true);
  onTestFinished(() => written.mockRestore());
  const [file, pki] = [join(dir, "kubeadm.yaml"), join(dir, "pki")];
  writeFileSync(
    file,
    "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n" +
      `certificatesDir: ${pki}\n`,
  );
  const flags = ["--dry-run", "--config", file, "--apiserver-advertise-address", "127.0.0.1"];
  await command().parseAsync(["phase", "certs", ...flags], { from: "user" });
  await command().parseAsync(["phase", "etcd", ...flags], { from: "user" });
  expect(existsSync(pki)).toBe(false);
  const said = written.mock.calls.map(([text]) => String(text)).join("");
  expect(said).toContain("would run certs");
  expect(said.match(/^kind: Pod$/gm)).toHaveLength(1);
});
