/**
 * Records what kubectl, newest and Debian's, prints before upstream's kube-apiserver when it plays
 * the scripts of test/contract/apiserver/kubectl, where a test compares ours. Use:
 * `npm run peers -- etcd kube-apiserver kubectl`, then `node scripts/record-kubectl.ts [SCENE...]`.
 */
import { KUBECTLS } from "../test/contract/apiserver/kubectl/kubectls.ts";
import { setStage } from "../test/contract/apiserver/kubectl/play.ts";
import { writeRecorded, writeTable } from "../test/contract/apiserver/kubectl/recording.ts";
import { readScripts } from "../test/contract/apiserver/kubectl/script.ts";
import { startTheirs } from "../test/contract/apiserver/transcripts/servers.ts";

const wanted = process.argv.slice(2);
const scripts = readScripts().filter(({ name }) => wanted.length === 0 || wanted.includes(name));
for (const { version, program } of KUBECTLS) {
  const upstream = await startTheirs();
  const stage = await setStage(await program(), upstream);
  try {
    const left = [...scripts];
    const recordNext = async () => {
      for (let script = left.shift(); script !== undefined; script = left.shift()) {
        process.stdout.write(`${version} ${script.name}\n`);
        writeRecorded(version, script.name, await stage.play(script));
      }
    };
    // Most of a command's time is spent waiting.
    await Promise.all([recordNext(), recordNext(), recordNext()]);
  } finally {
    await stage.close();
    await upstream.close();
  }
}
writeTable(
  KUBECTLS.map(({ version }) => version),
  readScripts(),
);
