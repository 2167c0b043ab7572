import { describe, expect, test } from "vitest";
import { template } from "../format/template.ts";
import { portsOf } from "../run/ports.ts";
import { ignoredBy } from "./context.ts";
import { expand, expandPairs } from "./expand.ts";
import { changeDefaults, environmentOf } from "./metadata.ts";
import { parseDockerfile, parseInstruction } from "./parse.ts";
import { mountsOf } from "./run-mounts.ts";
import { argumentsOf, planStages } from "./stages.ts";

const variables = new Map([
  ["A", "one"],
  ["E", ""],
  ["P", "a/b/c"],
]);

describe("variables", () => {
  test.each([
    ["$A-${A}", "one-one"],
    ["'$A'", "$A"],
    ['"$A"', "one"],
    ["\\$A", "$A"],
    ["${E:-x}${E-y}", "x"],
    ["${A:+x}${B:+y}", "x"],
    ["${A#o}", "ne"],
    ["${A%%n*}", "o"],
    ["${A/n?/-} ${A/x/y} ${A//[on]/}", "o- one one"],
    ["${P//\\//_} ${P/*b/}", "a_b_c /c"],
  ])("%s is %s", (text, value) => expect(expand(text, variables)).toBe(value));

  test("one that must be set and is not is refused by name", () => {
    expect(() => expand("${B:?no B}", variables)).toThrow("B: no B");
  });

  test("a long value is no reason for long work", () => {
    const long = new Map([["L", "a".repeat(100_000)]]);
    expect(expand("${L//a*b/}", long)).toHaveLength(100_000);
    expect(() => expand(`\${L//${"a*".repeat(1_000)}/}`, long)).toThrow("too many");
    expect(expand("${L//aa/b}", long)).toHaveLength(50_000);
  });

  test("ENV has pairs, and its older form one", () => {
    expect(expandPairs('X="a b" Y=$A', variables)).toEqual([
      ["X", "a b"],
      ["Y", "one"],
    ]);
    expect(expandPairs("X a  b", variables)).toEqual([["X", "a  b"]]);
  });
});

describe("a Dockerfile", () => {
  test("of very many spaces is read like one of few", () => {
    const spaces = " ".repeat(400_000);
    const [from, arg] = parseDockerfile(`# a=${spaces}b\nFROM x\nARG A=1${spaces}.`);
    expect(from!.line).toBe(2);
    expect(argumentsOf(arg!, new Map(), {})).toEqual([
      ["A", "1"],
      [".", undefined],
    ]);
    expect(ignoredBy(`${"/".repeat(400_000)}a/`)("a")).toBe(true);
  });

  test("has continued lines, comments among them, and here-documents", () => {
    const [, run, copy] = parseDockerfile(
      'FROM x\nRUN a \\\n# no\n  b\nCOPY <<"EOF" /f\n$X\nEOF\n',
    );
    expect(run?.text).toBe("a   b");
    expect(copy?.heredocs).toEqual([{ name: "EOF", content: "$X\n", isExpanded: false }]);
  });

  test("has arguments with quoted values, several in a line", () => {
    const [, arg] = parseDockerfile(`FROM x\nARG A="so many words" B='b c' C D=$A\n`);
    expect(argumentsOf(arg!, variables, { C: "c" })).toEqual([
      ...[
        ["A", "so many words"],
        ["B", "b c"],
        ["C", "c"],
      ],
      ...[["D", "one"]],
    ]);
  });

  test("has lines that an escaped escape ends, quotes within flags, and spaces after <<", () => {
    const [, run, mount, cat] = parseDockerfile(
      'FROM x\nRUN echo a\\\\\nRUN --mount=source="a b",target=/t true\nRUN cat << EOF\nx\nEOF\n',
    );
    expect(run?.text).toBe("echo a\\\\");
    expect(mount?.flags.get("mount")).toEqual(["source=a b,target=/t"]);
    expect(cat?.heredocs).toEqual([{ name: "EOF", content: "x\n", isExpanded: true }]);
  });

  test("has of an image's environment names without a value too", () => {
    const found = environmentOf({ Env: ["A=b=c", "NONE", "E="] });
    expect(Object.fromEntries(found)).toEqual({ A: "b=c", NONE: "", E: "" });
  });

  test("has no other escape than a backslash", () => {
    expect(() => parseDockerfile("# syntax=x\n# escape=`\nFROM x\n")).toThrow("line 2: an escape");
    expect(parseDockerfile("# escape=\\\nFROM x\n# escape=`\n")).toHaveLength(1);
  });

  test("has here-documents for images that are built on it", () => {
    const [, onbuild, next] = parseDockerfile(
      "FROM x\nONBUILD COPY <<A <<'B' /d/\na\nA\nb\nB\nUSER u\n",
    );
    expect(next?.name).toBe("USER");
    const { OnBuild: [text] = [] } = changeDefaults({}, onbuild!)!;
    expect(parseInstruction(text!, 1)).toMatchObject({
      ...{ name: "COPY", text: "<<A <<'B' /d/" },
      heredocs: [
        { name: "A", content: "a\n", isExpanded: true },
        { name: "B", content: "b\n", isExpanded: false },
      ],
    });
  });

  test.each([
    "RUN echo $((1<<3))",
    'RUN echo "a <<EOF b"',
    "RUN bash -c 'cat <<EOF' && cat <<<word",
    'RUN ["echo", "<<EOF"]',
  ])("has no here-document in %s", (run) => {
    const [, instruction, next] = parseDockerfile(`FROM x\n${run}\nUSER a\n`);
    expect(instruction?.heredocs).toEqual([]);
    expect(next?.name).toBe("USER");
  });

  test("has mounts in its working directory, and truth as Go reads it", () => {
    const mountOf = (text: string) => {
      const [, run] = parseDockerfile(`FROM x\nRUN --mount=${text} true\n`);
      return mountsOf(run!, new Map(), "/w")[0]!;
    };
    expect(mountOf("type=cache,target=c,uid=1,gid=2,ro=1")).toMatchObject({
      ...{ target: "/w/c", uid: 1, gid: 2, isReadOnly: true },
    });
    expect(mountOf("target=.")).toMatchObject({ type: "bind", target: "/w", isReadOnly: true });
    expect(mountOf("target=.,rw=1").isReadOnly).toBe(false);
    expect(mountOf("type=tmpfs,target=/t,size=1m").size_bytes).toBe(1 << 20);
    expect(() => mountOf("target=.,rw=yes")).toThrow("neither true nor false");
  });

  test.each([
    ["FROM x\nFOO y", 'line 2: unknown instruction "FOO"'],
    ["FROM x\nCOPY --parents a b", "line 2: COPY --parents is not supported"],
    ['FROM x\nCMD ["a", 1]', "line 2: a JSON list has strings alone"],
    ["RUN x", "line 1: RUN comes before the first FROM"],
    ["FROM --platform=linux/riscv64 x", "only this machine's"],
  ])("is refused by line: %s", (text, why) => {
    expect(() => planStages(parseDockerfile(text), { buildArgs: {} })).toThrow(why);
  });

  test("has arguments of its FROM from the command line", () => {
    const plan = planStages(parseDockerfile("ARG B=x\nFROM $B AS one\nFROM one"), {
      buildArgs: { B: "y" },
    });
    expect(plan.stages.map(({ base }) => base)).toEqual(["y", { stage: 0 }]);
  });
});

test("the last pattern of a .dockerignore that fits decides, for all beneath it", () => {
  const isIgnored = ignoredBy("*.md\n!keep.md\nout\n**/tmp");
  expect(["a.md", "keep.md", "out/x", "a/b/tmp/c", "src/a.md"].map(isIgnored)).toEqual([
    true,
    false,
    true,
    true,
    false,
  ]);
});

test("a port is published with or without address, protocol and range", () => {
  expect(portsOf("127.0.0.1:8080:80/udp")).toEqual([
    { hostIp: "127.0.0.1", hostPort: 8080, containerPort: 80, protocol: "udp" },
  ]);
  expect(portsOf("8000-8001:80-81").map(({ hostPort }) => hostPort)).toEqual([8000, 8001]);
  expect(() => portsOf("70000:1")).toThrow("is no port");
});

test("a template has fields, functions, conditions and lists, and refuses unknown fields", () => {
  const value = { A: { B: "x" }, L: [{ N: "a" }, { N: "b" }] };
  const source =
    "{{.A.B | upper}} {{range .L}}{{.N}};{{end}}{{if .L}}y{{else}}n{{end}} {{json .A}}";
  expect(template(source)(value)).toBe('X a;b;y {"B":"x"}');
  expect(() => template("{{.Z}}")(value)).toThrow("no field .Z");
});
