# How CUDA sources are compiled: by nvcc, for every GPU that we serve on, with warnings as errors.

file(GLOB FETCHED_TOOLKITS $ENV{XDG_CACHE_HOME}/gpuinfer/cuda/*/nvidia/cu13 $ENV{HOME}/.cache/gpuinfer/cuda/*/nvidia/cu13)
find_program(GPUINFER_NVCC nvcc NO_DEFAULT_PATH DOC "The compiler that GPUINFER_CUDA takes; scripts/install-cuda fetches one"
  PATHS $ENV{CUDA_HOME} ${FETCHED_TOOLKITS} /usr/local/cuda PATH_SUFFIXES bin)
set(GPUINFER_CUDA AUTO CACHE STRING "Compile the CUDA kernels: ON, OFF, or AUTO, which is where there is a compiler")
if(GPUINFER_CUDA STREQUAL AUTO)
  set(GPUINFER_CUDA ${GPUINFER_NVCC})
elseif(GPUINFER_CUDA AND NOT GPUINFER_NVCC)
  message(FATAL_ERROR "GPUINFER_CUDA is on, but there is no nvcc: scripts/install-cuda fetches one, or set CUDA_HOME")
endif()

# Machine code for the GPUs of AWS: A100 (p4), A10G (g5), L4 and L40S (g6, g6e), H100 and H200 (p5), B200 (p6), RTX PRO (g7); and PTX, which the
# driver of any other compiles when it first sees it.
set(GPUINFER_CUDA_TARGETS 80 86 89 90 100 120)
set(GPUINFER_CUDA_PTX 80)

# CUDA's runtime, linked into the program; it looks for the driver when it is first called.
if(GPUINFER_CUDA)
  cmake_path(GET GPUINFER_NVCC PARENT_PATH CUDA_BIN)
  cmake_path(GET CUDA_BIN PARENT_PATH CUDA_ROOT)
  add_library(gpuinfer_cudart INTERFACE)
  add_library(gpuinfer::cudart ALIAS gpuinfer_cudart)
  target_include_directories(gpuinfer_cudart SYSTEM INTERFACE ${CUDA_ROOT}/include)
  target_link_libraries(gpuinfer_cudart INTERFACE ${CUDA_ROOT}/lib64/libcudart_static.a Threads::Threads ${CMAKE_DL_LIBS} rt)
endif()

# gpuinfer_cuda_library(NAME SOURCES a.cu ...): libgpuinfer_NAME.a, used as gpuinfer::NAME; and the ctest test NAME_targets that each of its
# objects has code for every target.
function(gpuinfer_cuda_library NAME)
  cmake_parse_arguments(ARG "" "" "SOURCES" ${ARGN})
  set(OPTIONS -std=c++20 -O3 --expt-relaxed-constexpr -Werror all-warnings -Xcompiler -Wall,-Wextra -I ${CMAKE_SOURCE_DIR})
  foreach(TARGET ${GPUINFER_CUDA_TARGETS})
    list(APPEND OPTIONS -gencode arch=compute_${TARGET},code=sm_${TARGET})
  endforeach()
  list(APPEND OPTIONS -gencode arch=compute_${GPUINFER_CUDA_PTX},code=compute_${GPUINFER_CUDA_PTX})
  set(OBJECTS)
  foreach(SOURCE ${ARG_SOURCES})
    set(OBJECT ${CMAKE_CURRENT_BINARY_DIR}/${SOURCE}.o)
    add_custom_command(
      OUTPUT ${OBJECT}
      COMMAND ${CMAKE_CXX_COMPILER_LAUNCHER} ${GPUINFER_NVCC} ${OPTIONS} -MD -MF ${OBJECT}.d -c ${CMAKE_CURRENT_SOURCE_DIR}/${SOURCE} -o ${OBJECT}
      DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${SOURCE}
      DEPFILE ${OBJECT}.d
      COMMENT "Building CUDA object ${SOURCE}.o"
      VERBATIM)
    list(APPEND OBJECTS ${OBJECT})
  endforeach()
  add_library(gpuinfer_${NAME} STATIC ${OBJECTS})
  add_library(gpuinfer::${NAME} ALIAS gpuinfer_${NAME})
  set_target_properties(gpuinfer_${NAME} PROPERTIES LINKER_LANGUAGE CXX)
  add_test(NAME ${NAME}_targets
    COMMAND ${CMAKE_COMMAND} -DCUOBJDUMP=${CUDA_BIN}/cuobjdump "-DOBJECTS=${OBJECTS}" "-DTARGETS=${GPUINFER_CUDA_TARGETS}" -DPTX=${GPUINFER_CUDA_PTX}
            -P ${CMAKE_SOURCE_DIR}/cmake/check_cuda_targets.cmake)
endfunction()
