import { mkdir, stat, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import path from "node:path";
import { beforeEach, expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { FilesBudget } from "./files.ts";
import { ensurePath, hostPathPlugin } from "./host-path.ts";

let dir: string;
beforeEach(async () => {
  dir = testFolder("r2k-host-path-");
});

test("each hostPath type takes its own kind of file, and no other", async () => {
  const file = path.join(dir, "file");
  const pipe = path.join(dir, "socket");
  await writeFile(file, "");
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(pipe, resolve));
  const kinds: Record<string, string> = {
    Directory: dir,
    File: file,
    Socket: pipe,
    CharDevice: "/dev/null",
  };
  for (const [type, right] of Object.entries(kinds)) {
    await ensurePath(right, type);
    for (const wrong of Object.values(kinds)) {
      if (wrong === right) continue;
      await expect(ensurePath(wrong, type)).rejects.toMatchObject({ code: "InvalidPath" });
    }
    const absent = ensurePath(path.join(dir, "absent"), type);
    await expect(absent).rejects.toMatchObject({ code: "InvalidPath" });
  }
  await ensurePath(path.join(dir, "absent"), "");
  await expect(ensurePath("/dev/null", "BlockDevice")).rejects.toThrow("is not a block device");
  await expect(ensurePath(dir, "Pipe")).rejects.toThrow("unknown hostPath type Pipe");
  await new Promise((resolve) => server.close(resolve));
});

test("the types that create make what is missing, through links too", async () => {
  const made = path.join(dir, "a/b");
  await ensurePath(made, "DirectoryOrCreate");
  expect((await stat(made)).isDirectory()).toBe(true);
  await ensurePath(path.join(made, "f"), "FileOrCreate");
  await symlink(made, path.join(dir, "link"));
  await ensurePath(path.join(dir, "link/f"), "File");
  const orphan = ensurePath(path.join(dir, "no/f"), "FileOrCreate");
  await expect(orphan).rejects.toThrow("does not exist");
});

test("the customary folders of kubelets are this kubelet's", async () => {
  const { setUp } = hostPathPlugin({
    rootDir: dir,
    podLogsDir: path.join(dir, "logs/pods"),
    containerLogsDir: path.join(dir, "logs/containers"),
  });
  const use = (at: string) =>
    setUp({
      pod: { metadata: { name: "p", uid: "u" }, spec: { containers: [] } },
      spec: { name: "v", volume: { name: "v", hostPath: { path: at, type: "Directory" } } },
      dir,
      fsGroup: undefined,
      readOnly: false,
      budget: new FilesBudget(),
    });
  await mkdir(path.join(dir, "plugins"));
  expect(await use("/var/lib/kubelet/plugins")).toMatchObject({
    kind: "filesystem",
    hostPath: path.join(dir, "plugins"),
  });
  expect(await use("/var/lib")).toMatchObject({ hostPath: "/var/lib" });
  for (const name of ["pods/a_b_c", "containers"]) {
    const own = path.join(dir, "logs", name);
    await mkdir(own, { recursive: true });
    expect(await use(`/var/log/${name}`)).toMatchObject({ hostPath: own });
  }
  expect(await use("/var/log/")).toMatchObject({ hostPath: path.join(dir, "logs") });
});
