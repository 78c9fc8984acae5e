// SPDX-License-Identifier: Apache-2.0
// The one CUDA type that the headers of this room name, so that they can be included without the CUDA toolkit.
//
// Rules of every function here that takes a stream:
// - Pointers are device memory of the current device, owned by the caller, unless the text says "host". They must stay valid until
//   the stream has passed the work.
// - It checks its arguments on the host (invalid_argument, the message begins with the kernel's name), enqueues, and returns
//   without waiting. It allocates nothing and reads nothing back, so that it can be captured into a CUDA graph. What a kernel finds
//   wrong in device memory shows in its output, as each header says.
// - A launch that CUDA refuses throws backend, with the kernel's name. An error of earlier work in the same context may show there.
// - Calls for different streams may run at once if what they write differs.
#pragma once

struct CUstream_st;
typedef CUstream_st* cudaStream_t;  // as cuda_runtime_api.h has it
