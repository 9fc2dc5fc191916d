// BullMQ: jobs, delayed ones too, and a worker; nearly all of it is Lua.
const { Queue, Worker, QueueEvents } = require("bullmq");
const Redis = require("ioredis");
const assert = require("node:assert");

async function main() {
  const address = new URL(process.argv[2]);
  const connection = { host: address.hostname, port: Number(address.port), maxRetriesPerRequest: null };
  const queue = new Queue("work", { connection });
  const events = new QueueEvents("work", { connection });
  await events.waitUntilReady();
  const worker = new Worker("work", async (job) => {
    if (job.data.n < 0) throw new Error("negative");
    return job.data.n * 2;
  }, { connection });
  const jobs = [
    await queue.add("double", { n: 1 }),
    await queue.add("double", { n: 2 }, { delay: 200 }),
    await queue.add("double", { n: 3 }, { priority: 1 }),
  ];
  const results = await Promise.all(jobs.map((job) => job.waitUntilFinished(events, 20000)));
  assert.deepEqual(results, [2, 4, 6]);
  const failing = await queue.add("double", { n: -1 });
  await assert.rejects(failing.waitUntilFinished(events, 20000), /negative/);
  const counts = await queue.getJobCounts("completed", "failed", "waiting");
  assert.deepEqual([counts.completed, counts.failed, counts.waiting], [3, 1, 0]);
  await worker.close();
  await events.close();
  await queue.close();
  console.log(JSON.stringify({ ok: true }));
}
main().catch((error) => { console.error(error); process.exit(1); });
