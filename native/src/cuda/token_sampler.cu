// SPDX-License-Identifier: Apache-2.0
// Every row of the batch is cut into chunks of kChunk ids, a block each; a kernel is a pass over all of them. What a pass leaves
// for the next one lies in the workspace: nothing is shared between blocks within a kernel but sums that are added to.
#include "cuda/token_sampler.h"

#include "cuda/launch.cuh"

namespace vila::cuda {
namespace {

constexpr unsigned kThreads = 256;
constexpr int32_t kChunk = 2048;
constexpr int32_t kPerThread = kChunk / static_cast<int32_t>(kThreads);
constexpr int32_t kNone = INT32_MAX;
constexpr int kHistograms = 3;  // one that is read, one that is added to, one that is cleared
static_assert(kDigitValues % kThreads == 0);

/// How far the search for the last id that is kept has come.
struct Search {
  uint64_t cut;     ///< ids of a lower rank have been dropped
  uint64_t prefix;  ///< the digits found of the next cut, the others 0
  uint64_t need;    ///< how much of the measure ids from `prefix`'s subtree must still bring
};

/// Everything that kernels are given. Pointers below `seen` are to the workspace.
struct Job {
  SamplingStep step;
  int32_t vocab, chunks;
  Twister* twisters;
  uint32_t* seen;                  ///< null: no stage of penalties
  float* values;                   ///< [batch, vocab] logits with penalties; null: the logits themselves
  uint64_t* weights;               ///< [batch, vocab]
  uint64_t* best_ranks;            ///< [batch, chunks]
  int32_t* faults;                 ///< [batch, chunks] lowest id with NaN, or kNone
  uint64_t* sums;                  ///< [batch, chunks] of weights that are kept
  unsigned long long* histograms;  ///< [kHistograms, batch, kDigitValues]
  Search* searches;                ///< [2, batch]
};

__device__ const SamplingRequest& request_of(const Job& job, int32_t row) { return job.step.requests[row]; }
__device__ bool has_top_k(const Job& job, const SamplingRequest& request) {
  return request.temperature > 0 && request.top_k > 0 && request.top_k < job.vocab;
}
__device__ bool has_top_p(const SamplingRequest& request) { return request.temperature > 0 && request.top_p < 1; }

__device__ float value_of(const Job& job, int32_t row, int32_t id) {
  return job.values != nullptr ? job.values[static_cast<int64_t>(row) * job.vocab + id]
                               : job.step.logits[row * job.step.stride + id];
}
__device__ unsigned long long* histogram_of(const Job& job, int pass, int32_t row) {
  return job.histograms + (static_cast<int64_t>(pass % kHistograms) * job.step.batch + row) * kDigitValues;
}
__device__ Search& search_of(const Job& job, int pass, int32_t row) { return job.searches[(pass & 1) * job.step.batch + row]; }

/// What `combine` makes of all threads' values, in every thread. `shared` has kThreads elements; threads may not be in it already.
template <typename Value, typename Combine>
__device__ Value reduce(Value value, Value* shared, Combine combine) {
  const unsigned thread = threadIdx.x;
  shared[thread] = value;
  __syncthreads();
  for (unsigned half = kThreads / 2; half > 0; half /= 2) {
    if (thread < half) shared[thread] = combine(shared[thread], shared[thread + half]);
    __syncthreads();
  }
  const Value result = shared[0];
  __syncthreads();
  return result;
}

/// The sum of the values of the threads below this one; `total` is that of all.
__device__ uint64_t sum_before(uint64_t value, uint64_t* shared, uint64_t& total) {
  const unsigned thread = threadIdx.x;
  shared[thread] = value;
  __syncthreads();
  for (unsigned distance = 1; distance < kThreads; distance *= 2) {
    const uint64_t other = thread >= distance ? shared[thread - distance] : 0;
    __syncthreads();
    shared[thread] += other;
    __syncthreads();
  }
  const uint64_t through = shared[thread];
  total = shared[kThreads - 1];
  __syncthreads();
  return through - value;
}

struct Largest {
  __device__ uint64_t operator()(uint64_t a, uint64_t b) const { return a > b ? a : b; }
};
struct Lowest {
  __device__ int32_t operator()(int32_t a, int32_t b) const { return a < b ? a : b; }
};

/// The best rank of a row, from those of its chunks.
__device__ uint64_t best_rank(const Job& job, int32_t row, uint64_t* shared) {
  uint64_t best = 0;
  for (int32_t i = static_cast<int32_t>(threadIdx.x); i < job.chunks; i += kThreads) {
    best = Largest()(best, job.best_ranks[static_cast<int64_t>(row) * job.chunks + i]);
  }
  return reduce(best, shared, Largest());
}

__global__ void sampler_seed(Twister* twister, uint64_t seed) { twister->seed(seed); }

__global__ void sampler_see(uint32_t* seen, int32_t vocab, const int32_t* ids, int32_t count) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= count) return;
  const int32_t id = ids[i];
  if (id >= 0 && id < vocab) seen[id] = 1;
}

/// Penalties; each chunk's best id and lowest NaN. Prepares the search.
__global__ void sampler_scan(Job job, int first_pass) {
  __shared__ uint64_t ranks[kThreads];
  __shared__ int32_t ids[kThreads];
  const auto chunk = static_cast<int32_t>(blockIdx.x), row = static_cast<int32_t>(blockIdx.y);
  const SamplingRequest request = request_of(job, row);
  if (request.slot < 0) return;
  if (chunk == 0) {
    if (threadIdx.x == 0) search_of(job, first_pass + 1, row) = {};
    for (unsigned i = threadIdx.x; i < kDigitValues; i += kThreads) histogram_of(job, first_pass, row)[i] = 0;
  }
  const float* logits = job.step.logits + row * job.step.stride;
  const uint32_t* seen = job.seen != nullptr ? job.seen + static_cast<int64_t>(request.slot) * job.vocab : nullptr;
  uint64_t best = 0;
  int32_t fault = kNone;
  for (int32_t i = 0; i < kPerThread; ++i) {
    const int32_t id = chunk * kChunk + i * static_cast<int32_t>(kThreads) + static_cast<int32_t>(threadIdx.x);
    if (id >= job.vocab) continue;
    float value = logits[id];
    if (seen != nullptr) {
      value = penalized(value, seen[id], request.penalties);
      job.values[static_cast<int64_t>(row) * job.vocab + id] = value;
    }
    if (value != value) {
      fault = Lowest()(fault, id);
    } else {
      best = Largest()(best, rank_of(value, id));
    }
  }
  best = reduce(best, ranks, Largest());
  fault = reduce(fault, ids, Lowest());
  if (threadIdx.x != 0) return;
  job.best_ranks[static_cast<int64_t>(row) * job.chunks + chunk] = best;
  job.faults[static_cast<int64_t>(row) * job.chunks + chunk] = fault;
}

/// The weights of rows that draw; 0 for what is no number, and everywhere if the best logit is not finite.
__global__ void sampler_weigh(Job job) {
  __shared__ uint64_t ranks[kThreads];
  const auto chunk = static_cast<int32_t>(blockIdx.x), row = static_cast<int32_t>(blockIdx.y);
  const SamplingRequest request = request_of(job, row);
  if (request.slot < 0 || !(request.temperature > 0)) return;
  const float best = logit_of_rank(best_rank(job, row, ranks));
  const bool sound = fabsf(best) <= FLT_MAX;
  const int bits = weight_bits(job.vocab);
  for (int32_t i = 0; i < kPerThread; ++i) {
    const int32_t id = chunk * kChunk + i * static_cast<int32_t>(kThreads) + static_cast<int32_t>(threadIdx.x);
    if (id >= job.vocab) continue;
    const float value = value_of(job, row, id);
    const bool number = sound && value == value;
    job.weights[static_cast<int64_t>(row) * job.vocab + id] = number ? fixed_weight(value, best, request.temperature, bits) : 0;
  }
}

/// Passes 0 .. kDigits-1 search for the last id of top-k, the next kDigits for that of top-p.
__device__ bool of_top_p(int pass) { return pass >= kDigits; }
__device__ bool pass_applies(const Job& job, const SamplingRequest& request, int pass) {
  return of_top_p(pass) ? has_top_p(request) : has_top_k(job, request);
}

/// The search as it stands before `pass`: that before the last pass, and the digit which the histogram of that pass gives: the
/// greatest with which the measure of all ids of it or a greater one reaches what is needed.
__device__ Search advanced(const Job& job, const SamplingRequest& request, int32_t row, int pass, int first_pass) {
  __shared__ uint64_t shared[kThreads];
  __shared__ Search result;
  const int last = pass - 1;
  Search search = search_of(job, last, row);
  if (last < first_pass || !pass_applies(job, request, last)) return search;
  const unsigned long long* histogram = histogram_of(job, last, row);
  const int digit = last % kDigits;
  constexpr uint32_t kOwn = kDigitValues / kThreads;
  const uint32_t highest = kDigitValues - 1 - threadIdx.x * kOwn;
  uint64_t own = 0;
  for (uint32_t i = 0; i < kOwn; ++i) own += histogram[highest - i];
  uint64_t total;
  uint64_t above = sum_before(own, shared, total);
  if (digit == 0) {
    search.prefix = 0;
    search.need = of_top_p(last) ? share_of(request.top_p, total) : static_cast<uint64_t>(request.top_k);
  }
  if (threadIdx.x == 0) result = search;  // kept if nothing reaches it, as in a faulty row
  __syncthreads();
  if (above < search.need && above + own >= search.need) {
    uint32_t value = highest;
    while (above + histogram[value] < search.need) above += histogram[value--];
    Search next = search;
    next.prefix |= static_cast<uint64_t>(value) << shift_of_digit(digit);
    next.need -= above;
    if (digit == kDigits - 1) next.cut = next.prefix;
    result = next;
  }
  __syncthreads();
  search = result;
  __syncthreads();
  return search;
}

/// Adds up the measure (1 in top-k, the weight in top-p) of the ids with the digits found so far, by their next digit.
__global__ void sampler_digit(Job job, int pass, int first_pass) {
  constexpr int kLimbs = 3, kLimbBits = 21;  // kChunk numbers of 21 bits fit into 32, which are added natively
  __shared__ uint32_t limbs[kLimbs][kDigitValues];
  const auto chunk = static_cast<int32_t>(blockIdx.x), row = static_cast<int32_t>(blockIdx.y);
  const SamplingRequest request = request_of(job, row);
  if (request.slot < 0 || !(request.temperature > 0)) return;
  const Search search = advanced(job, request, row, pass, first_pass);
  if (chunk == 0) {
    if (threadIdx.x == 0) search_of(job, pass, row) = search;
    for (unsigned i = threadIdx.x; i < kDigitValues; i += kThreads) histogram_of(job, pass + 1, row)[i] = 0;
  }
  if (!pass_applies(job, request, pass)) return;
  for (unsigned i = threadIdx.x; i < kDigitValues; i += kThreads) {
    for (int limb = 0; limb < kLimbs; ++limb) limbs[limb][i] = 0;
  }
  __syncthreads();
  const int digit = pass % kDigits, shift = shift_of_digit(digit);
  const uint64_t prefix = digit == 0 ? 0 : search.prefix >> (shift + kDigitBits);
  for (int32_t i = 0; i < kPerThread; ++i) {
    const int32_t id = chunk * kChunk + i * static_cast<int32_t>(kThreads) + static_cast<int32_t>(threadIdx.x);
    if (id >= job.vocab) continue;
    const float logit = value_of(job, row, id);
    if (logit != logit) continue;
    const uint64_t rank = rank_of(logit, id);
    if (rank < search.cut || (digit > 0 && rank >> (shift + kDigitBits) != prefix)) continue;
    const uint64_t measure = of_top_p(pass) ? job.weights[static_cast<int64_t>(row) * job.vocab + id] : 1;
    const uint32_t value = static_cast<uint32_t>(rank >> shift) & (kDigitValues - 1);
    for (int limb = 0; limb < kLimbs; ++limb) {
      const uint32_t part = static_cast<uint32_t>(measure >> (limb * kLimbBits)) & ((1u << kLimbBits) - 1);
      if (part != 0) atomicAdd(&limbs[limb][value], part);
    }
  }
  __syncthreads();
  unsigned long long* histogram = histogram_of(job, pass, row);
  for (unsigned i = threadIdx.x; i < kDigitValues; i += kThreads) {
    unsigned long long sum = 0;
    for (int limb = 0; limb < kLimbs; ++limb) sum += static_cast<unsigned long long>(limbs[limb][i]) << (limb * kLimbBits);
    if (sum != 0) atomicAdd(histogram + i, sum);
  }
}

/// The weight of an id, 0 where top-k, top-p or min-p dropped it.
__device__ uint64_t kept_weight(const Job& job, int32_t row, int32_t id, uint64_t cut, uint64_t least) {
  const uint64_t weight = job.weights[static_cast<int64_t>(row) * job.vocab + id];
  return weight >= least && rank_of(value_of(job, row, id), id) >= cut ? weight : 0;
}

/// The weights that each chunk keeps.
__global__ void sampler_sum(Job job, int pass, int first_pass) {
  __shared__ uint64_t shared[kThreads];
  const auto chunk = static_cast<int32_t>(blockIdx.x), row = static_cast<int32_t>(blockIdx.y);
  const SamplingRequest request = request_of(job, row);
  if (request.slot < 0 || !(request.temperature > 0)) return;
  const Search search = advanced(job, request, row, pass, first_pass);
  if (chunk == 0 && threadIdx.x == 0) search_of(job, pass, row) = search;
  const uint64_t least = fixed(request.min_p, weight_bits(job.vocab));
  uint64_t sum = 0;
  for (int32_t i = 0; i < kPerThread; ++i) {
    const int32_t id = chunk * kChunk + i * static_cast<int32_t>(kThreads) + static_cast<int32_t>(threadIdx.x);
    if (id < job.vocab) sum += kept_weight(job, row, id, search.cut, least);
  }
  uint64_t total;
  sum_before(sum, shared, total);
  if (threadIdx.x == 0) job.sums[static_cast<int64_t>(row) * job.chunks + chunk] = total;
}

/// The next number of a twister, in every thread.
__device__ uint64_t random_number(Twister& twister) {
  const auto thread = static_cast<int>(threadIdx.x);
  const bool spent = twister.next >= Twister::kWords;
  __syncthreads();
  if (spent) {
    constexpr int kMiddle = Twister::kMiddle;
    static_assert(kMiddle < static_cast<int>(kThreads) && 2 * kMiddle == Twister::kWords);
    uint64_t word = 0;
    if (thread < kMiddle)
      word = Twister::twisted(twister.words[thread], twister.words[thread + 1], twister.words[thread + kMiddle]);
    __syncthreads();
    if (thread < kMiddle) twister.words[thread] = word;
    __syncthreads();
    if (thread < kMiddle) {
      const int at = thread + kMiddle;
      word = Twister::twisted(twister.words[at], twister.words[(at + 1) % Twister::kWords], twister.words[thread]);
    }
    __syncthreads();
    if (thread < kMiddle) twister.words[thread + kMiddle] = word;
    if (thread == 0) twister.next = 0;
    __syncthreads();
  }
  const uint64_t number = Twister::tempered(twister.words[twister.next]);
  __syncthreads();
  if (thread == 0) ++twister.next;
  return number;
}

struct Place {
  int32_t index;
  uint64_t before;
};
/// The index below `count` where the running sum of value(index) first exceeds `target`, and the sum before it. Thread after thread
/// adds up ceil(count / kThreads) of them. The whole sum exceeds `target`.
template <typename Value>
__device__ Place place_of(int32_t count, uint64_t target, uint64_t* shared, Place* place, Value value) {
  const int32_t own = (count + static_cast<int32_t>(kThreads) - 1) / static_cast<int32_t>(kThreads);
  const int32_t begin = min(count, own * static_cast<int32_t>(threadIdx.x)), end = min(count, begin + own);
  uint64_t sum = 0, total;
  for (int32_t i = begin; i < end; ++i) sum += value(i);
  uint64_t before = sum_before(sum, shared, total);
  if (before <= target && before + sum > target) {
    int32_t i = begin;
    for (uint64_t next = value(i); before + next <= target; next = value(i)) {
      before += next;
      ++i;
    }
    *place = {i, before};
  }
  __syncthreads();
  const Place found = *place;
  __syncthreads();
  return found;
}

/// One block a row: faults, the greedy choice or the draw; writes and remembers it.
__global__ void sampler_choose(Job job, int pass) {
  __shared__ uint64_t shared[kThreads];
  __shared__ int32_t ids[kThreads];
  __shared__ Place place;
  const auto row = static_cast<int32_t>(blockIdx.x);
  const SamplingRequest request = request_of(job, row);
  SampledToken token;
  if (request.slot >= 0) {
    int32_t fault = kNone;
    for (int32_t i = static_cast<int32_t>(threadIdx.x); i < job.chunks; i += kThreads) {
      fault = Lowest()(fault, job.faults[static_cast<int64_t>(row) * job.chunks + i]);
    }
    fault = reduce(fault, ids, Lowest());
    const uint64_t best = best_rank(job, row, shared);
    token.id = fault != kNone ? fault : id_of_rank(best);
    if (fault != kNone) {
      token.fault = SampledToken::Fault::not_a_number;
    } else if (!(fabsf(logit_of_rank(best)) <= FLT_MAX)) {
      token.fault = SampledToken::Fault::not_finite;
    } else if (request.temperature > 0) {
      const uint64_t* sums = job.sums + static_cast<int64_t>(row) * job.chunks;
      uint64_t own = 0, total;
      for (int32_t i = static_cast<int32_t>(threadIdx.x); i < job.chunks; i += kThreads) own += sums[i];
      sum_before(own, shared, total);
      const uint64_t target = target_of(random_number(job.twisters[request.slot]), total);
      const Place chunk = place_of(job.chunks, target, shared, &place, [&](int32_t i) { return sums[i]; });
      const int32_t first = chunk.index * kChunk;
      const uint64_t cut = search_of(job, pass, row).cut, least = fixed(request.min_p, weight_bits(job.vocab));
      const Place found = place_of(min(kChunk, job.vocab - first), target - chunk.before, shared, &place,
                                   [&](int32_t i) { return kept_weight(job, row, first + i, cut, least); });
      token.id = first + found.index;
    }
    token.logit = value_of(job, row, token.id);
  }
  if (threadIdx.x != 0) return;
  const bool chosen = request.slot >= 0 && token.fault == SampledToken::Fault::none;
  job.step.tokens[row] = token;
  job.step.ids[row] = chosen ? token.id : kNoToken;
  if (chosen && job.seen != nullptr) {
    uint32_t& seen = job.seen[static_cast<int64_t>(request.slot) * job.vocab + token.id];
    seen = (seen == 0 ? 1 : seen) + 1;
  }
}

/// Lays the arrays of a job one behind the other, each on a multiple of 256 bytes; `at` becomes what they take.
template <typename Element>
Element* lay(uint8_t* workspace, size_t& at, size_t count) {
  auto* array = workspace != nullptr ? reinterpret_cast<Element*>(workspace + at) : nullptr;
  at += pieces<size_t>(count * sizeof(Element), 256) * 256;
  return array;
}
size_t lay_out(Job& job, uint8_t* workspace) {
  const auto batch = static_cast<size_t>(job.step.batch), vocab = static_cast<size_t>(job.vocab),
             chunks = static_cast<size_t>(job.chunks);
  size_t bytes = 0;
  job.weights = lay<uint64_t>(workspace, bytes, batch * vocab);
  job.values = lay<float>(workspace, bytes, batch * vocab);
  job.best_ranks = lay<uint64_t>(workspace, bytes, batch * chunks);
  job.faults = lay<int32_t>(workspace, bytes, batch * chunks);
  job.sums = lay<uint64_t>(workspace, bytes, batch * chunks);
  job.histograms = lay<unsigned long long>(workspace, bytes, kHistograms * batch * kDigitValues);
  job.searches = lay<Search>(workspace, bytes, 2 * batch);
  return bytes;
}

void require_slots(const SamplerSlots& slots, const char* kernel) {
  require(slots.vocab >= 1 && slots.vocab <= kMostIds, kernel, "vocab", slots.vocab, "1 to 4194304");
  require(slots.slots >= 1, kernel, "slots", slots.slots, "at least 1");
  require_pointer(slots.twisters, kernel, "twisters", alignof(Twister));
}

}  // namespace

size_t sampling_workspace_bytes(int32_t batch, int32_t vocab) {
  Job job{};
  job.step.batch = batch;
  job.vocab = vocab;
  job.chunks = pieces(vocab, kChunk);
  return lay_out(job, nullptr);
}

void begin_sampling(const SamplerSlots& slots, int32_t slot, uint64_t seed, const int32_t* prompt_ids, int32_t count,
                    cudaStream_t stream) {
  constexpr const char* kSeed = "sampler_seed";
  constexpr const char* kSee = "sampler_see";
  require_slots(slots, kSeed);
  if (slot < 0 || slot >= slots.slots) {
    fail(ErrorCode::invalid_argument, kSeed, ": slot is ", slot, ", expected 0 to ", slots.slots - 1);
  }
  require(count >= 0, kSee, "count", count, "at least 0");
  launch(kSeed, sampler_seed, dim3(1), 1, stream, slots.twisters + slot, seed);
  if (slots.seen == nullptr) return;
  uint32_t* seen = slots.seen + int64_t{slot} * slots.vocab;
  check(cudaMemsetAsync(seen, 0, static_cast<size_t>(slots.vocab) * sizeof(uint32_t), stream), kSee);
  if (count == 0) return;
  require_pointer(prompt_ids, kSee, "prompt_ids", sizeof(int32_t));
  launch(kSee, sampler_see, dim3(static_cast<unsigned>(pieces(count, static_cast<int32_t>(kThreads)))), kThreads, stream, seen,
         slots.vocab, prompt_ids, count);
}

void sample_tokens(const SamplerSlots& slots, const SamplingStep& step, cudaStream_t stream) {
  constexpr const char* kScan = "sampler_scan";
  require_slots(slots, kScan);
  require(step.batch >= 1 && step.batch <= 65535, kScan, "batch", step.batch, "1 to 65535");
  require(step.stride >= slots.vocab, kScan, "stride", step.stride, "at least vocab");
  require_pointer(step.logits, kScan, "logits", sizeof(float));
  require_pointer(step.requests, kScan, "requests", alignof(SamplingRequest));
  require_pointer(step.workspace, kScan, "workspace", 256);
  require_pointer(step.tokens, kScan, "tokens", alignof(SampledToken));
  require_pointer(step.ids, kScan, "ids", sizeof(int32_t));
  if (step.stages.penalties) require_pointer(slots.seen, kScan, "seen", sizeof(uint32_t));

  Job job{};
  job.step = step;
  job.vocab = slots.vocab;
  job.chunks = pieces(slots.vocab, kChunk);
  job.twisters = slots.twisters;
  lay_out(job, static_cast<uint8_t*>(step.workspace));
  if (step.stages.penalties) {
    job.seen = slots.seen;
  } else {
    job.values = nullptr;
  }
  const bool searches = step.stages.top_k || step.stages.top_p;
  const int first_pass = step.stages.top_k || !searches ? 0 : kDigits;
  const int last_pass = !searches ? 0 : step.stages.top_p ? 2 * kDigits : kDigits;
  const dim3 grid(static_cast<unsigned>(job.chunks), static_cast<unsigned>(step.batch));
  launch(kScan, sampler_scan, grid, kThreads, stream, job, first_pass);
  if (step.stages.draws) {
    launch("sampler_weigh", sampler_weigh, grid, kThreads, stream, job);
    for (int pass = first_pass; pass < last_pass; ++pass) {
      launch("sampler_digit", sampler_digit, grid, kThreads, stream, job, pass, first_pass);
    }
    launch("sampler_sum", sampler_sum, grid, kThreads, stream, job, last_pass, first_pass);
  }
  launch("sampler_choose", sampler_choose, dim3(static_cast<unsigned>(step.batch)), kThreads, stream, job, last_pass);
}

}  // namespace vila::cuda
