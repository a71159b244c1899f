// Bundles the console's scripts and styles into ../assets. With --check it compares the committed bundle with these sources instead.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import path from "node:path";
import { build } from "esbuild";

const here = path.dirname(fileURLToPath(import.meta.url));
const assets = path.join(here, "..", "assets");
const shared = { absWorkingDir: here, bundle: true, minify: true, legalComments: "none", write: false, outdir: assets, logLevel: "error" };
const bundles = [
  { ...shared, entryPoints: ["src/theme.js", "src/console.js", "src/editor.js"], format: "iife", target: ["es2022"] },
  { ...shared, entryPoints: ["src/styles/console.css"], outbase: "src/styles", target: ["chrome123", "firefox120", "safari17.5"] },
];

const isCheck = process.argv.includes("--check");
await mkdir(assets, { recursive: true });
let differ = 0;
for (const bundle of bundles) {
  for (const file of (await build(bundle)).outputFiles) {
    if (!isCheck) {
      await writeFile(file.path, file.contents);
      continue;
    }
    const committed = await readFile(file.path).catch(() => Buffer.alloc(0));
    if (Buffer.compare(committed, Buffer.from(file.contents)) === 0) continue;
    console.error(`${path.relative(here, file.path)} is out of date: run \`npm run build\` in services/console/web and commit the file`);
    differ += 1;
  }
}
process.exitCode = differ === 0 ? 0 : 1;
