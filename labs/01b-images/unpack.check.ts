import { existsSync, lstatSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { check } from "../check.ts";
import { judge } from "../judge.ts";
import { mustEqual, mustPass } from "../must.ts";
import { Layers, mustRefuse, pathsIn, textOf } from "./layers.ts";

const LOWER = [
  { name: "etc/", type: "directory" },
  { name: "etc/a", content: "a" },
  { name: "etc/b", content: "b" },
  { name: "var/log/", type: "directory" },
  { name: "var/log/x", content: "x" },
] as const;

check("unpack: a removed name is gone for a container, and others stay", async () => {
  using layers = new Layers();
  const why = "a deleted file that is there again is a secret that was deleted, or an old version";
  const lower = await layers.unpack([...LOWER]);
  const upper = await layers.unpack([{ name: "etc/.wh.a" }, { name: "var/.wh.log" }]);
  mustEqual(layers.seen(lower, upper), ["etc/", "etc/b", "var/"], {
    when: "a layer with etc/.wh.a and var/.wh.log over one that has both",
    why,
  });
  const marks = pathsIn(upper).filter((name) => name.includes(".wh."));
  mustEqual(marks, [], { when: "the files of the layer named .wh.*", why: "overlayfs shows them" });
});

check("unpack: a layer's own name stays, whatever the order of name and whiteout", async () => {
  using layers = new Layers();
  const lower = await layers.unpack([...LOWER]);
  const both = [
    { name: "var/log/", type: "directory" },
    { name: "var/log/new", content: "new" },
    { name: "etc/a", content: "own" },
  ] as const;
  const marks = [{ name: "var/.wh.log" }, { name: "etc/.wh.a" }] as const;
  const expected = ["etc/", "etc/a", "etc/b", "var/", "var/log/", "var/log/new"];
  for (const [order, entries] of [
    ["the names, then their whiteouts", [...both, ...marks]],
    ["the whiteouts, then the names", [...marks, ...both]],
  ] as const) {
    const upper = await layers.unpack(entries);
    mustEqual(layers.seen(lower, upper), expected, {
      when: order,
      why: "`rm -r d; mkdir d` in one step is both: what d had must not come back",
    });
    mustEqual(textOf(join(upper, "etc/a")), "own", { when: order, why: "the newest content wins" });
  }
});

check("unpack: an opaque folder hides all that lower layers have in it", async () => {
  using layers = new Layers();
  const lower = await layers.unpack([...LOWER]);
  const upper = await layers.unpack([
    { name: "etc/", type: "directory" },
    { name: "etc/c", content: "c" },
    { name: "etc/.wh..wh..opq" },
    { name: "etc/.wh..wh.plnk" },
  ]);
  mustEqual(layers.seen(lower, upper), ["etc/", "etc/c", "var/", "var/log/", "var/log/x"], {
    when: "a layer whose etc is opaque",
    why: "a tool writes it for a folder that was replaced",
  });
});

check("unpack: a folder is not made again, and takes the place of a file", async () => {
  using layers = new Layers();
  const folder = await layers.unpack([
    { name: "d/", type: "directory" },
    { name: "d/x", content: "x" },
    { name: "d/", type: "directory", mode: 0o700 },
    { name: "f", content: "f" },
    { name: "f/", type: "directory" },
    { name: "f/y", content: "y" },
  ]);
  mustEqual(pathsIn(folder), ["d/", "d/x", "f/", "f/y"], {
    when: "a layer that describes d twice, and has f as a file and then as a folder",
    why: "a tar is a list of changes in order: the last one wins, and a folder keeps what it has",
  });
  mustEqual(lstatSync(join(folder, "d")).mode & 0o777, 0o700, {
    when: "the mode of d",
    why: "the later description holds",
  });
});

check("unpack: a hard link is to a file of the layer, and to no other", async () => {
  using layers = new Layers();
  const folder = await mustPass(
    layers.unpack([
      { name: "a", content: "a" },
      { name: "d/b", content: "old" },
      { name: "d/b", type: "link", linkname: "./a" },
    ]),
    {
      when: "a link d/b to a, in place of a file",
      expected: "d/b is another name of a",
      why: "tools write a file with two names once, and then the link",
    },
  );
  mustEqual(lstatSync(join(folder, "a")).ino, lstatSync(join(folder, "d/b")).ino, {
    when: "the inodes of a and d/b",
    why: "two copies would not change together",
  });
  writeFileSync(layers.at("victim"), "v");
  const why = "with a link to a file of the machine, an image could write it";
  for (const linkname of [layers.at("victim"), "../victim", "/"]) {
    await mustRefuse(() => layers.unpack([{ name: "l", type: "link", linkname }]), {
      when: `a hard link to ${linkname}`,
      why,
    });
  }
  mustEqual(lstatSync(layers.at("victim")).nlink, 1, { when: "the names of the victim", why });
});

check("unpack: folders have their times, and links are not followed to set them", async () => {
  using layers = new Layers();
  const mtime = new Date(1_000_000_000_000);
  const victim = layers.make("victim");
  const before = lstatSync(victim).mtimeMs;
  const folder = await layers.unpack([
    { name: "d/", type: "directory", mtime },
    { name: "d/x", content: "x" },
    { name: "gone/", type: "directory", mtime },
    { name: "gone", type: "symlink", linkname: victim },
  ]);
  const happened = new Date(lstatSync(join(folder, "d")).mtimeMs).toISOString();
  mustEqual(happened, mtime.toISOString(), {
    when: "the time of d, in which x was made after it was described",
    why: "a build's cache and its reproducible bytes depend on the times in the tar",
  });
  judge(lstatSync(victim).mtimeMs === before && !existsSync(join(victim, "x")), {
    when: "gone/, and then a link of that name to a folder of the machine",
    expected: "the machine's folder keeps its time",
    happened: "its time is the one of the layer's folder",
    why: "what is done at the end meets a tree that later entries have changed",
  });
});
