import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { expect, test, vi } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { command as config } from "./config.ts";
import { command } from "./init.ts";

/** Resolves with what a command prints. */
async function printed(of: Command, ...words: string[]): Promise<string> {
  const written = vi.spyOn(process.stdout, "write").mockReturnValue(true);
  try {
    await of.parseAsync(words, { from: "user" });
    return written.mock.calls.map(([text]) => String(text)).join("");
  } finally {
    written.mockRestore();
  }
}

test("a phase with --dry-run prints what it would do, and writes nothing", async () => {
  const dir = testFolder("r2k-dry-");
  const [file, pki] = [join(dir, "kubeadm.yaml"), join(dir, "pki")];
  writeFileSync(
    file,
    "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n" +
      `certificatesDir: ${pki}\n`,
  );
  const flags = ["--dry-run", "--config", file, "--apiserver-advertise-address", "127.0.0.1"];
  expect(await printed(command(), "phase", "certs", ...flags)).toContain("would run certs");
  const said = await printed(command(), "phase", "etcd", ...flags);
  expect(said.match(/^kind: Pod$/gm)).toHaveLength(1);
  for (const [phase, pods] of Object.entries({ etcd: 0, "control-plane": 1 })) {
    const one = await printed(command(), "phase", phase, "--one-process", ...flags);
    expect(one.match(/^kind: Pod$/gm) ?? []).toHaveLength(pods);
  }
  expect(existsSync(pki)).toBe(false);
  const patches = testFolder("r2k-patches-");
  writeFileSync(join(patches, "etcd.yaml"), "");
  const patched = ["phase", "control-plane", "--one-process", "--patches", patches, ...flags];
  await expect(printed(command(), ...patched)).rejects.toThrow("has the static pods control-plane");
});

test("phases that are skipped are not run; one that is none is refused by its name", async () => {
  const flags = ["--dry-run", "--apiserver-advertise-address", "127.0.0.1", "--skip-phases"];
  const said = await printed(command(), ...flags, "addon,etcd");
  expect(said).toContain("would run control-plane");
  expect(said).not.toMatch(/would run (?:addon|etcd)|name: etcd$/m);
  const part = printed(command(), ...flags, "addon/kube-proxy");
  await expect(part).rejects.toThrow('there is no phase "addon/kube-proxy"');
});

test("what config print prints is valid; its images are upstream's", async () => {
  const file = join(testFolder("r2k-config-"), "kubeadm.yaml");
  writeFileSync(file, await printed(config(), "print"));
  expect(await printed(config(), "validate", "--config", file)).toBe("ok\n");
  const images = await printed(config(), "images", "list", "--config", file);
  expect(images).toMatch(/^registry\.k8s\.io\/kube-apiserver:v1\.36\.0\n/);
  expect(images).toContain("\nregistry.k8s.io/coredns/coredns:v1.");
});
