import { placeOf } from "@raft2kube/runtime/image/place.ts";
import type { TarHeader } from "@raft2kube/runtime/image/tar/header.ts";
import { tarEntries } from "@raft2kube/runtime/image/tar/read.ts";
import { writeTar } from "@raft2kube/runtime/image/tar/write.ts";
import { whiteoutOf } from "@raft2kube/runtime/image/whiteout.ts";
import { check } from "../check.ts";
import { mustEqual } from "../must.ts";
import { mustRefuse } from "./layers.ts";

async function headerOf(name: string): Promise<TarHeader> {
  for await (const { header } of tarEntries(writeTar([{ name, content: "" }]))) return header;
  throw new Error(`a tar without ${name}`);
}

check("names: what a name of a layer hides", async () => {
  const header = await headerOf("x");
  const meaning = (name: string) => {
    const found = whiteoutOf(header, Buffer.from(name, "latin1"));
    return found.kind === "hide" ? `hide ${found.name.toString("latin1")}` : found.kind;
  };
  for (const [name, expected] of [
    ["passwd", "none"],
    ["wh.a", "none"],
    ["a.wh.b", "none"],
    [".wh.passwd", "hide passwd"],
    [".wh..wh..opq", "opaque"],
    [".wh..wh.plnk", "ignore"],
    [".wh..wh.aufs", "ignore"],
    [".wh..profile", "hide .profile"],
    [".wh.\xff", "hide \xff"],
  ] as const) {
    mustEqual(meaning(name), expected, {
      when: JSON.stringify(name),
      why: "a mark that is taken for a file shows what was deleted, and one more file (layer.md)",
    });
  }
  for (const name of [".wh.", ".wh..", ".wh..."]) {
    await mustRefuse(() => meaning(name), {
      when: JSON.stringify(name),
      why: "it would hide the folder itself, or the one above it",
    });
  }
});

check("names: the folder and the last name, and none leads out", async () => {
  const header = await headerOf("x");
  const parts = (name: string) => {
    const { folder, last } = placeOf(header, Buffer.from(name, "latin1"));
    return `${folder.toString("latin1")} ${last.toString("latin1")}`;
  };
  for (const [name, expected] of [
    ["a", ". a"],
    ["a/b", "a b"],
    ["./a/b/", "a b"],
    ["/etc//passwd", "etc passwd"],
    ["./", ". "],
    ["a/./b", "a b"],
    ["..a/b..", "..a b.."],
    ["\xe4/\xff", "\xe4 \xff"],
  ] as const) {
    mustEqual(parts(name), expected, {
      when: JSON.stringify(name),
      why: "tars write one place in many ways; names are bytes, which need not be UTF-8",
    });
  }
  for (const name of ["..", "../x", "a/../../etc/passwd", "a/..", "/.."]) {
    await mustRefuse(() => parts(name), {
      when: JSON.stringify(name),
      why: "the tar comes from a registry, and whoever unpacks it is root on this machine",
    });
  }
  await mustRefuse(() => parts("d/".repeat(501)), {
    when: "a name of 501 folders",
    why: "all folders of a name are made in one turn of the event loop",
  });
});
