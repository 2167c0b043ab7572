import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { cdiEdits, isCdiName } from "./cdi.ts";

let folders: string[];

beforeEach(() => {
  const root = testFolder("r2k-cdi-");
  folders = ["etc", "run"].map((name) => join(root, name));
  for (const folder of folders) mkdirSync(folder);
});

const write = (folder: 0 | 1, name: string, text: string) => {
  writeFileSync(join(folders[folder]!, name), text);
};
const specification = (devices: object, containerEdits: object = {}) =>
  JSON.stringify({
    ...{ cdiVersion: "0.6.0", kind: "acme.example/wheel", containerEdits },
    devices: Object.entries(devices).map(([name, edits]) => ({ name, containerEdits: edits })),
  });
const named = (...names: string[]) => names.map((name) => `acme.example/wheel=${name}`);

test("devices of one file get its own edits once, before theirs", async () => {
  const edits = { env: ["ALL=a=b"], additionalGids: [0, 7] };
  write(0, "a.json", specification({ x: { env: ["X=1"] }, y: { env: ["Y"] } }, edits));
  const found = await cdiEdits(named("x", "y"), folders);
  expect(found.envs).toEqual([
    { key: "ALL", value: "a=b" },
    { key: "X", value: "1" },
    { key: "Y", value: "" },
  ]);
  expect(found.groups).toEqual([7]);
});

test("a file of YAML, with numbers as Go reads them, has nodes, mounts and hooks", async () => {
  write(
    1,
    "a.yaml",
    `
cdiVersion: 1.0.0
kind: acme.example/wheel
devices:
- name: x
  annotations: { made: by hand }
  containerEdits:
    deviceNodes:
    - { path: /dev/a }
    - { path: /dev/b, hostPath: /dev/c, type: u, major: 1, minor: 3, fileMode: 0600, uid: 5 }
    mounts:
    - { hostPath: /lib/wheel, containerPath: /wheel, options: [ro, rbind] }
    hooks:
    - { hookName: createContainer, path: /bin/hook, args: [hook, now], env: [A=b], timeout: 5 }
    - { hookName: createContainer, path: /bin/other }
`,
  );
  expect(await cdiEdits(named("x"), folders)).toEqual({
    envs: [],
    devices: [
      { hostPath: "/dev/a", containerPath: "/dev/a", permissions: "", node: {} },
      {
        hostPath: "/dev/c",
        containerPath: "/dev/b",
        permissions: "",
        node: { type: "c", major: 1, minor: 3, fileMode: 0o600, uid: 5 },
      },
    ],
    mounts: [
      { source: "/lib/wheel", destination: "/wheel", type: "bind", options: ["ro", "rbind"] },
    ],
    hooks: {
      createContainer: [
        { path: "/bin/hook", args: ["hook", "now"], env: ["A=b"], timeout: 5 },
        { path: "/bin/other", args: ["/bin/other"] },
      ],
    },
    groups: [],
  });
});

test("a device of /var/run/cdi replaces that of /etc/cdi; one that two of its files have is none", async () => {
  write(0, "a.json", specification({ x: { env: ["FROM=etc"] } }));
  write(1, "a.json", specification({ x: { env: ["FROM=run"] } }));
  const { envs } = await cdiEdits(named("x"), folders);
  expect(envs).toEqual([{ key: "FROM", value: "run" }]);
  write(1, "b.json", specification({ x: {} }));
  await expect(cdiEdits(named("x"), folders)).rejects.toThrow(
    /^no CDI device acme.example\/wheel=x .*=x is in .*run\/a.json and in .*run\/b.json\)$/,
  );
});

const MALFORMED = [
  ["not JSON", "{", /JSON/],
  ["a version to come", specification({}).replace("0.6.0", "2.0.0"), /cdiVersion "2.0.0"/],
  ["no vendor", specification({}).replace("acme.example/", ""), /kind "wheel"/],
  ["a name with a space", specification({ "a b": {} }), /name "a b"/],
  ["an unknown edit", specification({ y: { netDevices: [] } }), /netDevices is not supported/],
  ["a hook after the start", hook("poststart"), /hookName is none of prestart, /],
  ["a hook of no time", hook(""), /hookName is missing/],
  ["a relative hook", hook("prestart").replace("/bin/hook", "hook"), /path is no absolute path/],
  ["a group below 0", specification({ y: { additionalGids: [-1] } }), /no list of whole numbers/],
  ["a number too large", node({ minor: 2 ** 32 }), /minor is no whole number/],
] as const;

function hook(hookName: string): string {
  return specification({ y: { hooks: [{ hookName, path: "/bin/hook" }] } });
}
function node(fields: object): string {
  return specification({ y: { deviceNodes: [{ path: "/dev/a", ...fields }] } });
}

test.each(MALFORMED)(
  "a file with %s is named, and hides no other's device",
  async (_, text, why) => {
    write(0, "a.json", text);
    write(0, "b.json", specification({ x: { env: ["X=1"] } }));
    expect((await cdiEdits(named("x"), folders)).envs).toHaveLength(1);
    const failed = cdiEdits(named("x", "y"), folders);
    await expect(failed).rejects.toThrow(/^no CDI device acme.example\/wheel=y in .*etc\/a.json/);
    await expect(failed).rejects.toThrow(why);
  },
);

test("a fifo is not waited for, and no YAML is parsed that takes long", async () => {
  for (const name of ["a", "b", "c", "d"])
    execFileSync("mkfifo", [join(folders[0]!, `${name}.json`)]);
  const keys = Array.from({ length: 100_000 }, (_, at) => `k${at}: 1`);
  write(0, "e.yaml", keys.join("\n"));
  const failed = cdiEdits(named("x"), folders);
  await expect(failed).rejects.toThrow(/a.json is not a regular file; .*e.yaml: \d+ bytes, more/);
  write(0, "e.yaml", "k: 1\nk: 2"); // to look for equal keys takes the square of their number
  await expect(cdiEdits(named("x"), folders)).rejects.toThrow(/e.yaml.k is not supported/);
});

test("names are told from paths", () => {
  expect(named("x", "0", "GPU-1:2").every(isCdiName)).toBe(true);
  for (const path of ["/dev/x", "/dev/x=y", "acme/wheel", "acme=x", "acme/wheel=", "a/b=x/y"]) {
    expect(isCdiName(path), path).toBe(false);
  }
});
