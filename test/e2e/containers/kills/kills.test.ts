import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { Hand } from "../hand.ts";

// Takes turns, faults: see ../../chaos/chaos.test.ts.

const hand = new Hand();
afterAll(() => hand.close());

/** Points of each verb, and verbs; all of both by hand: `R2K_KILLS="1000" npm test -- kills`. */
const { R2K_KILLS = "1 publish 'run --rm' rm commit build load 'cp in'" } = process.env;

test("a verb that is killed on its way loses nothing, and leaves nothing once it is repeated", () => {
  hand.context({
    a: "a\n",
    Dockerfile: [
      "FROM bb:1 AS one",
      "RUN echo b > /b",
      "FROM bb:1",
      "COPY a /",
      "COPY --from=one /b /",
      "RUN --mount=type=cache,target=/c true",
    ].join("\n"),
  });
  const registry = "127.0.0.1:5000";
  const output = hand.sh(
    `
    tar -cf bb.tar -C bb .; c tag bb:1 l:1; c save -o l.tar l:1; c rmi l:1 >/dev/null
    v2=www/v2/p; mkdir -p $v2/manifests layout; mkdir $v2/blobs; touch www/v2/index.html
    tar -xf l.tar -C layout
    for blob in layout/blobs/sha256/*; do cp $blob $v2/blobs/sha256:\${blob##*/}; done
    manifest=$(grep -o 'sha256:[0-9a-f]*' layout/index.json | head -1)
    for name in 1 $manifest; do cp $v2/blobs/$manifest $v2/manifests/$name; done
    busybox httpd -f -p ${registry} -h www & trap "kill $!" EXIT
    "${process.execPath}" --disable-warning=ExperimentalWarning \
      "${join(import.meta.dirname, "sweep.ts")}" ${R2K_KILLS}
  `,
    { R2K_REGISTRY: `${registry}=http://${registry}` },
  );
  expect(output.split("\n").filter((line) => line.startsWith("{"))).toEqual([]);
  expect(output).toContain("failures: 0");
});
