import { writeFileSync } from "node:fs";
import path from "node:path";
import { Command } from "commander";
import { expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import type { Hand } from "../engine/hand.ts";
import { addFlags, flagsOf } from "../verb.ts";
import { containerConfig, dnsOf, extrasOf } from "./config.ts";
import { RUN_FLAGS } from "./flags.ts";
import { mountOf, volumeOf } from "./mounts.ts";

function parsed(...words: string[]) {
  const command = addFlags(new Command("run"), RUN_FLAGS).helpOption("--help");
  command.parse(words, { from: "user" });
  return flagsOf<typeof RUN_FLAGS>(command);
}

/** The configuration in CRI's words of `run` with these flags. */
function configOf(...words: string[]) {
  const hand = { name: "n", image: "image", mounts: [] as Hand["mounts"] } as Hand;
  return containerConfig(parsed(...words), { hand, imageId: "", image: {} });
}

test("name servers are the machine's where flags give a search list or options alone", () => {
  const hosts = () => "search a\nnameserver 1.1.1.1\nnameserver  2.2.2.2 \n";
  const none = { dns: [], dnsSearch: [], dnsOption: [] };
  const serversOf = (flags: object) => dnsOf({ ...none, ...flags }, hosts).servers;
  expect(serversOf({ dnsSearch: ["x"] })).toEqual(["1.1.1.1", "2.2.2.2"]);
  expect(serversOf({ dns: ["9.9.9.9"], dnsOption: ["ndots:2"] })).toEqual(["9.9.9.9"]);
  expect(serversOf({})).toEqual([]);
});

test("an empty user is the image's, as docker has it", () => {
  expect(extrasOf(parsed("--user", ""), { tmpfs: [] })).toEqual({});
  expect(extrasOf(parsed("--user", "0"), { tmpfs: [] })).toEqual({ user: "0" });
});

test("a limit of 0 is none for block devices, as docker has it", () => {
  const blockIoOf = (...words: string[]) => extrasOf(parsed(...words), { tmpfs: [] }).blockIo;
  expect(blockIoOf("--blkio-weight", "0", "--blkio-weight-device", "/dev/sda:0")).toBeUndefined();
  const rates = ["--device-read-bps", "/dev/sda:0", "--device-write-iops", "/dev/sda:0"];
  const none = [{ path: "/dev/sda", limit: 0 }];
  expect(blockIoOf(...rates)).toMatchObject({ readBps: none, writeIops: none });
  expect(() => blockIoOf("--blkio-weight", "9")).toThrow("no number from 10 to 1000");
});

test("a mount is read-only by every word that Go reads as true", () => {
  for (const word of ["ro", "readonly", "readonly=1", "ro=true", "ro=T"]) {
    expect(mountOf(`type=volume,target=/x,${word}`).isReadOnly, word).toBe(true);
  }
  expect(mountOf("type=volume,target=/x,readonly=0").isReadOnly).toBe(false);
  expect(() => mountOf("type=volume,target=/x,readonly=yes")).toThrow("neither true nor false");
  expect(() => mountOf("volume,target=/x")).toThrow("is not KEY=VALUE");
  expect(volumeOf("/a:/b:ro,cached,Z")).toMatchObject({ source: "/a", isReadOnly: true });
  expect(() => volumeOf("/a:/b:rshared")).toThrow("rshared is not supported");
});

test("security options are docker's: what is not applied here can be turned off", () => {
  const contextOf = (...options: string[]) =>
    configOf(...options.flatMap((option) => ["--security-opt", option])).linux!.securityContext!;
  expect(contextOf("no-new-privileges=false").noNewPrivs).toBe(false);
  expect(contextOf("no-new-privileges:true", "label=disable").noNewPrivs).toBe(true);
  expect(contextOf().maskedPaths).toContain("/sys/firmware");
  expect(contextOf("systempaths=unconfined", "apparmor=unconfined").maskedPaths).toEqual([]);
  expect(() => contextOf("apparmor=mine")).toThrow("is not supported");
});

test("swap is a limit of memory and swap together", () => {
  const limits = configOf("-m", "64m", "--memory-swap", "128m").linux!.resources!;
  expect(Number(limits.memorySwapLimitInBytes)).toBe(128 << 20);
  for (const words of [[], ["-m", "256m"]]) {
    expect(() => configOf("--memory-swap", "128m", ...words)).toThrow("no less than -m");
  }
});

test("a file of variables has them as they are written", () => {
  const file = path.join(testFolder("r2k-env-"), "env");
  writeFileSync(file, '\uFEFFA=1 \r\n  B="q" # no comment\n#C=1\n\n');
  expect(configOf("--env-file", file).envs).toEqual([
    { key: "A", value: "1 " },
    { key: "B", value: '"q" # no comment' },
  ]);
});

test("a place among those killed for memory is one that the kernel knows", () => {
  expect(() => configOf("--oom-score-adj=1000")).not.toThrow();
  expect(() => configOf("--oom-score-adj=1001")).toThrow("no number from -1000 to 1000");
});
