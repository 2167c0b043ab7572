import { expect, test } from "vitest";
import { type Machine, nfsServerGuest } from "./nfs-demo.ts";

const machine = (changes: Partial<Machine> = {}): Machine => ({
  uid: 0,
  isX64: true,
  guestsMissing: undefined,
  find: async (name) => `/usr/sbin/${name}`,
  ...changes,
});

test("the demo's server is a bounded guest with a bounded export", async () => {
  expect(await nfsServerGuest({}, machine())).toEqual({
    memory_MiB: 1024,
    disk_GiB: 8,
    proxyMode: "ipvs",
    nfsExport_MiB: 1024,
  });
});

test("the error names all missing packages and the command to install them", async () => {
  const without = machine({ guestsMissing: "not installed", find: async () => undefined });
  await expect(nfsServerGuest({}, without)).rejects.toMatchObject({
    code: "NFS_DEMO",
    message: expect.stringContaining("user-mode-linux, nfs-kernel-server, e2fsprogs are not"),
    remedy: "apt-get install --no-install-recommends user-mode-linux nfs-kernel-server e2fsprogs",
  });
  const one = machine({ find: async (name) => (name === "exportfs" ? undefined : name) });
  await expect(nfsServerGuest({}, one)).rejects.toThrow("nfs-kernel-server is not installed");
});

test("an ordinary user and another processor get an error with the remedy", async () => {
  await expect(nfsServerGuest({}, machine({ uid: 1000 }))).rejects.toMatchObject({
    code: "NFS_DEMO",
    remedy: "sudo npm start -- --nfs-demo",
  });
  await expect(nfsServerGuest({}, machine({ isX64: false }))).rejects.toMatchObject({
    code: "NFS_DEMO",
    message: expect.stringContaining("x86-64"),
  });
});
