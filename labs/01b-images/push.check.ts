import { spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { buildImage } from "@raft2kube/runtime/build/image-builder.ts";
import { pullImage } from "@raft2kube/runtime/image/pull.ts";
import { pushImage } from "@raft2kube/runtime/image/push.ts";
import { ImageStore } from "@raft2kube/runtime/image/store.ts";
import { UPLOAD_CHUNK_BYTES } from "@raft2kube/runtime/limits.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { freePort } from "../../testing/free-port.ts";
import { check } from "../check.ts";
import { judge } from "../judge.ts";
import { mustEqual, mustPass } from "../must.ts";
import { Layers } from "./layers.ts";
import { LabRegistry, loopbackUp } from "./registry.ts";

const clock = systemClock();

/** A store with an image of one file of these bytes. */
async function storeWith(layers: Layers, name: string, content: Buffer): Promise<ImageStore> {
  const store = new ImageStore(layers.at("images"), () => []);
  await store.open();
  await buildImage(store, { name, entries: [{ name: "f", content }], config: {} });
  return store;
}

async function push(store: ImageStore, name: string): Promise<string[]> {
  const lines: string[] = [];
  const progress = (line: string) => void lines.push(line.replace(/^\w+: /, ""));
  const options = { clock, endpoints: {}, progress };
  await mustPass(pushImage(store, name, options), {
    when: `push ${name.replace(/:\d+\//, "/")}`,
    expected: "the registry takes it",
    why: "the distribution spec says what each request answers, and where the next one goes",
  });
  return lines;
}

/** Requests without digests, a run of the same ones once. */
function shapes(requests: readonly string[]): string[] {
  const short = requests.map((each) => each.replaceAll(/sha256:\w+/g, "DIGEST"));
  return short
    .map((each) => each.replace(/ \d+-\d+$/, " RANGE"))
    .filter((each, at, all) => each !== all[at - 1]);
}

const NEW_BLOB = [
  "HEAD lab/one/blobs/DIGEST",
  "POST lab/one/blobs/uploads/",
  "PATCH lab/one/UPLOAD RANGE",
  "PUT lab/one/UPLOAD?digest=DIGEST",
];

check("push: a new blob is asked for, begun, sent, and named by its digest", async () => {
  using layers = new Layers();
  await using registry = await LabRegistry.start();
  const name = `${registry.domain}/lab/one:1`;
  const store = await storeWith(layers, name, Buffer.from("small"));
  mustEqual(await push(store, name), ["Pushed"], {
    when: "the progress of one layer",
    why: "people see what travels",
  });
  mustEqual(shapes(registry.requests), [...NEW_BLOB, ...NEW_BLOB, "PUT lab/one/manifests/1"], {
    when: "the requests for a layer, the configuration, the manifest",
    why: "the manifest comes last: a registry refuses one whose blobs it has not",
  });
});

check("push: a large blob goes in pieces, each where the one before says", async () => {
  using layers = new Layers();
  await using registry = await LabRegistry.start();
  const name = `${registry.domain}/lab/one:1`;
  const store = await storeWith(layers, name, randomBytes(UPLOAD_CHUNK_BYTES + 2 ** 20));
  await push(store, name);
  const ranges = registry.requests.flatMap((each) => /^PATCH \S+ (\d+)-(\d+)$/.exec(each) ?? []);
  const sizes = registry.requests.flatMap((each) => {
    const [, from, to] = /^PATCH \S+ (\d+)-(\d+)$/.exec(each) ?? [];
    return to === undefined ? [] : [Number(to) - Number(from) + 1];
  });
  judge(sizes.length === 3 && Math.max(...sizes) < UPLOAD_CHUNK_BYTES + 2 ** 20, {
    when: `a layer of 1 MiB more than a piece of ${UPLOAD_CHUNK_BYTES} bytes`,
    expected: "two pieces, and one of the configuration",
    happened: `${sizes.length} pieces of ${sizes.join(", ")} bytes`,
    why: "a layer of gigabytes in one request is lost whole when the connection breaks",
  });
  judge(ranges.length > 0, {
    when: "Content-Range of the pieces",
    expected: "FROM-TO",
    happened: "none",
    why: "a registry refuses a piece that does not follow the one before (416)",
  });
});

check("push: what is there is not sent again", async () => {
  using layers = new Layers();
  await using registry = await LabRegistry.start();
  const name = `${registry.domain}/lab/one:1`;
  const store = await storeWith(layers, name, Buffer.from("content"));
  await push(store, name);
  registry.requests.length = 0;
  mustEqual(await push(store, name), ["Layer already exists"], {
    when: "the same push again",
    why: "a base image is in most registries already",
  });
  mustEqual(shapes(registry.requests), ["HEAD lab/one/blobs/DIGEST", "PUT lab/one/manifests/1"], {
    when: "its requests",
    why: "a tag is moved by the manifest alone",
  });
});

check("push: another repository of the registry gives its blobs", async () => {
  using layers = new Layers();
  await using registry = await LabRegistry.start();
  const [one, two] = [`${registry.domain}/lab/one:1`, `${registry.domain}/lab/two:1`];
  const store = await storeWith(layers, one, Buffer.from("content"));
  await push(store, one);
  await store.receive(() => store.add(two, store.get(one).manifestDigest));
  registry.requests.length = 0;
  await push(store, two);
  mustEqual(
    shapes(registry.requests),
    [
      "HEAD lab/two/blobs/DIGEST",
      "POST lab/two/blobs/uploads/?mount=DIGEST&from=lab/one",
      "HEAD lab/two/blobs/DIGEST",
      "POST lab/two/blobs/uploads/?mount=DIGEST&from=lab/one",
      "PUT lab/two/manifests/1",
    ],
    { when: "an image of lab/one as lab/two", why: "no byte of a layer need travel twice" },
  );
});

const hasRegistry = spawnSync("docker-registry", ["--version"]).error === undefined;

check(
  "push: Debian's docker-registry takes the image, and gives it back",
  async () => {
    loopbackUp();
    using layers = new Layers();
    const domain = `127.0.0.1:${await freePort()}`;
    writeFileSync(
      layers.at("registry.yml"),
      [
        "version: 0.1",
        `storage: { filesystem: { rootdirectory: ${layers.at("registry")} } }`,
        `http: { addr: "${domain}" }`,
      ].join("\n"),
    );
    const registry = spawn("docker-registry", ["serve", layers.at("registry.yml")], {
      stdio: "ignore",
    });
    const exited = once(registry, "exit");
    try {
      const answers = () => fetch(`http://${domain}/v2/`).then(({ ok }) => ok);
      await waitFor("docker-registry", answers, { clock });
      const name = `${domain}/lab/one:1`;
      const store = await storeWith(layers, name, randomBytes(1_000_000));
      await push(store, name);
      const other = new ImageStore(layers.at("pulled"), () => []);
      await other.open();
      await pullImage(other, name, { clock, endpoints: {} });
      mustEqual(other.get(name).config.rootfs, store.get(name).config.rootfs, {
        when: "the image that another store pulls",
        why: "diff ids are the same, whatever travelled",
      });
    } finally {
      registry.kill();
      await exited;
    }
  },
  { leftOut: hasRegistry ? undefined : "it takes Debian's docker-registry" },
);
