/** A verb that is killed, what it needs, what shows that it is done, and what takes that away. */
export type Killed = { before?: string[][]; words: string[]; look: string[][]; after: string[][] };

const NONE = ["--network", "none"];
const FORMAT = "{{.Names}} {{.State}} {{.Mounts}}";
const PS = ["ps", "-a", "--format", FORMAT];
const RM = ["rm", "-f", "-v", "k"];
const create = (...words: string[]) => ["create", ...NONE, "--name", "k", ...words, "bb:1"];
const sleep = ["run", "-d", ...NONE, "--name", "k", "-v", "/anon", "bb:1", "sleep", "1000"];
const DIR = process.env["DIR"] ?? "";
const show = (...words: string[]) => ["run", "--rm", ...NONE, ...words];

/** The verbs that are killed, by name; `k` is the container. */
export const KILLED: Readonly<Record<string, Killed>> = {
  create: {
    words: [...create("-v", "named:/etc", "-v", "/anon"), "true"],
    look: [
      ["ps", "-a", "--format", "{{.Names}} {{.State}}"],
      ["volume", "inspect", "-f", "{{.Name}}", "named"],
    ],
    after: [RM, ["volume", "rm", "named"]],
  },
  run: {
    words: ["run", ...NONE, "--name", "k", "--restart", "no", "bb:1", "true"],
    look: [PS],
    after: [RM],
  },
  publish: {
    words: ["run", "-d", "-p", "8088:80", "--name", "k", "bb:1", "sleep", "1000"],
    look: [PS, ["port", "k"]],
    after: [RM],
  },
  "run --rm": {
    words: [...show("--name", "k"), "-v", "/anon", "bb:1", "true"],
    look: [PS],
    after: [],
  },
  start: {
    before: [[...create(), "sleep", "1000"]],
    words: ["start", "k"],
    look: [PS],
    after: [RM],
  },
  restart: {
    before: [sleep],
    words: ["restart", "-t", "0", "k"],
    look: [["ps", "--format", "{{.Names}} {{.State}}"]],
    after: [RM],
  },
  stop: {
    before: [sleep],
    words: ["stop", "-t", "0", "k"],
    look: [["ps", "-a", "--format", "{{.Names}} {{.State}}"]],
    after: [RM],
  },
  rm: { before: [sleep], words: RM, look: [PS], after: [] },
  rename: {
    before: [[...create(), "true"]],
    words: ["rename", "k", "l"],
    look: [PS],
    after: [["rm", "l"]],
  },
  commit: {
    before: [sleep, ["exec", "k", "touch", "/made"]],
    words: ["commit", "k", "made:1"],
    look: [["ps", "--format", "{{.Names}} {{.State}}"], show("made:1", "ls", "/made")],
    after: [RM, ["rmi", "made:1"]],
  },
  build: {
    words: ["build", "-q", "-t", "made:1", `${DIR}/context`],
    look: [show("made:1", "cat", "/a", "/b")],
    after: [["rmi", "made:1"]],
  },
  pull: {
    words: ["pull", "127.0.0.1:5000/p:1"],
    look: [show("127.0.0.1:5000/p:1", "cat", "/www/f")],
    after: [["rmi", "127.0.0.1:5000/p:1"]],
  },
  load: {
    words: ["load", "-i", `${DIR}/l.tar`],
    look: [show("l:1", "cat", "/www/f")],
    after: [["rmi", "l:1"]],
  },
  import: {
    words: ["import", `${DIR}/bb.tar`, "i:1"],
    look: [show("i:1", "/bin/cat", "/www/f")],
    after: [["rmi", "i:1"]],
  },
  save: {
    words: ["save", "-o", `${DIR}/s.tar`, "bb:1"],
    look: [["load", "-i", `${DIR}/s.tar`]],
    after: [],
  },
  export: {
    before: [[...create(), "true"]],
    words: ["export", "-o", `${DIR}/e.tar`, "k"],
    look: [PS],
    after: [RM],
  },
  "cp in": {
    before: [[...create(), "true"]],
    words: ["cp", `${DIR}/context/.`, "k:/in"],
    look: [["diff", "k"]],
    after: [RM],
  },
  "cp out": {
    before: [[...create(), "true"]],
    words: ["cp", "k:/www", `${DIR}/out`],
    look: [PS],
    after: [RM],
  },
  tag: {
    words: ["tag", "bb:1", "t:1"],
    look: [show("t:1", "cat", "/www/f")],
    after: [["rmi", "t:1"]],
  },
  rmi: {
    before: [
      ["tag", "bb:1", "t:1"],
      ["import", `${DIR}/bb.tar`, "i:1"],
    ],
    words: ["rmi", "i:1", "t:1"],
    look: [["images", "--format", "{{.Repository}}"]],
    after: [],
  },
  "volume create": {
    words: ["volume", "create", "v"],
    look: [["volume", "ls", "-q"]],
    after: [["volume", "rm", "v"]],
  },
  "volume rm": {
    before: [["volume", "create", "v"], show("-v", "v:/v", "bb:1", "touch", "/v/f")],
    words: ["volume", "rm", "-f", "v"],
    look: [["volume", "ls", "-q"]],
    after: [],
  },
  "network create": {
    words: ["network", "create", "n"],
    look: [
      ["network", "ls", "-q"],
      ["run", "--rm", "--network", "n", "bb:1", "true"],
    ],
    after: [["network", "rm", "n"]],
  },
  "network rm": {
    before: [
      ["network", "create", "n"],
      ["run", "--rm", "--network", "n", "bb:1", "true"],
    ],
    words: ["network", "rm", "n"],
    look: [["network", "ls", "-q"]],
    after: [],
  },
  "system prune": {
    before: [
      [...create("-v", "/anon"), "true"],
      ["build", "-q", `${DIR}/context`],
    ],
    words: ["system", "prune", "-f", "--volumes"],
    look: [PS, ["images", "-q"]],
    after: [],
  },
};
