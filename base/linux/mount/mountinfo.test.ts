import { expect, test } from "vitest";
import {
  type MountInfo,
  MountTable,
  mountOf,
  mountPointsBelow,
  mountsNaming,
  parseMountInfoLine,
} from "./mountinfo.ts";

const lines = [
  "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard",
  "30 27 0:30 / /run rw shared:5 - tmpfs tmpfs rw",
  "31 30 0:31 / /run/a\\040b rw shared:6 master:2 - overlay overlay rw,lowerdir=/x",
  "32 31 0:32 /sub /run/a\\040b/c ro - ext4 /dev/vdb rw",
];
const mounts = lines.map((line) => parseMountInfoLine(line)) as MountInfo[];

test("a line with optional fields and escapes is read", () => {
  expect(mounts[2]).toMatchObject({
    id: 31,
    mountPoint: "/run/a b",
    propagation: ["shared:6", "master:2"],
    type: "overlay",
    superOptions: ["rw", "lowerdir=/x"],
  });
  expect(parseMountInfoLine("")).toBeUndefined();
});

test("the mount of a path is the longest whole prefix", () => {
  expect(mountOf("/run/a b/c/d", mounts)?.id).toBe(32);
  expect(mountOf("/run/a bc", mounts)?.id).toBe(30);
  expect(mountOf("/etc", mounts)?.id).toBe(27);
});

test("mount points below a directory come deepest first", () => {
  expect(mountPointsBelow("/run/a b", mounts)).toEqual(["/run/a b/c", "/run/a b"]);
});

test("of a long list only the lines that name a directory are parsed", () => {
  const others = Array.from(
    { length: 1_000 },
    (_, at) => `${at} 27 0:9 / /o/${at} rw - tmpfs t rw`,
  );
  const text = [...others, ...lines, ...others, ""].join("\n");
  let parsed = 0;
  const parse = (line: string) => {
    parsed++;
    return parseMountInfoLine(line);
  };
  const naming = (path: string) => mountsNaming(path, text, parse);
  expect(naming("/run")).toEqual(mounts.slice(1));
  expect(naming("/none")).toEqual([]);
  expect(parsed).toBe(3);
  const escaped = "/run/a b";
  expect(mountPointsBelow(escaped, naming(escaped))).toEqual(["/run/a b/c", "/run/a b"]);
  expect(mountsNaming("/run", lines.join("\n"))).toEqual(mounts.slice(1));
});

test("a table of mounts answers as the list does", () => {
  const table = new MountTable(mounts);
  for (const path of ["/run/a b/c/d", "/run/a b/c", "/run/a bc", "/run", "/etc", "/"]) {
    expect(table.of(path), path).toBe(mountOf(path, mounts));
    const below = mountPointsBelow(path, mounts).filter((point) => point !== path);
    expect(table.below(path) !== undefined, path).toBe(path !== "/" && below.length > 0);
  }
  expect(new MountTable([]).of("/etc")).toBeUndefined();
});
